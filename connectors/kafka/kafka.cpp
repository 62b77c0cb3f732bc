#include "connectors/kafka/kafka.h"

namespace anabranch {

void RegisterConnectorKafka(Registry& /*registry*/) {}

}  // namespace anabranch
