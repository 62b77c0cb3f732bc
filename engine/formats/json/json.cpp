#include <utility>

#include "engine/codec/decoder.h"
#include "engine/registry.h"

namespace anabranch {
namespace {

class JsonFormat final : public Format {
 public:
  const Spec& spec() const override { return spec_; }
  Result<std::unique_ptr<Decoder>> MakeDecoder(DecodePlan plan, const RowLayout& /*layout*/) const override {
    return std::unique_ptr<Decoder>(MakeJsonDecoder(std::move(plan)));
  }

 private:
  const Spec spec_{.name = "json", .summary = "One JSON object per record."};
};

}  // namespace

void RegisterFormatJson(Registry& registry);
void RegisterFormatJson(Registry& registry) { registry.Add(std::make_unique<JsonFormat>()); }

}  // namespace anabranch
