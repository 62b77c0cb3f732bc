#include <utility>

#include "engine/codec/decoder.h"
#include "engine/registry.h"

namespace anabranch {
namespace {

class CsvFormat final : public Format {
 public:
  const Spec& spec() const override { return spec_; }
  Result<std::unique_ptr<Decoder>> MakeDecoder(DecodePlan plan, const RowLayout& layout) const override {
    return MakeCsvDecoder(std::move(plan), layout);
  }

 private:
  const Spec spec_{
      .name = "csv", .summary = "One row of CSV (RFC 4180) per record, below a header row.", .needs_header = true};
};

}  // namespace

void RegisterFormatCsv(Registry& registry);
void RegisterFormatCsv(Registry& registry) { registry.Add(std::make_unique<CsvFormat>()); }

}  // namespace anabranch
