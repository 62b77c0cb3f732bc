#include "engine/codec/json_index.h"

#include <simdjson.h>

#include <algorithm>

namespace anabranch {
namespace {

constexpr size_t kFirstCapacity = size_t{64} << 10;
constexpr size_t kKeptCapacity = size_t{8} << 20;  // one huge record must not hold memory for ever
constexpr size_t kLargest = size_t{1} << 31;

JsonIndex::Fault FaultOf(simdjson::error_code code) {
  switch (code) {
    case simdjson::SUCCESS: return JsonIndex::Fault::kNone;
    case simdjson::EMPTY: return JsonIndex::Fault::kEmpty;
    case simdjson::UTF8_ERROR: return JsonIndex::Fault::kUtf8;
    case simdjson::UNCLOSED_STRING: return JsonIndex::Fault::kOpenString;
    case simdjson::UNESCAPED_CHARS: return JsonIndex::Fault::kControlCharacter;
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC: return JsonIndex::Fault::kTooLarge;
    default: return JsonIndex::Fault::kOther;
  }
}

}  // namespace

struct JsonIndex::Engine {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

JsonIndex::JsonIndex() : engine_(std::make_unique<Engine>()) {}
JsonIndex::~JsonIndex() = default;

JsonIndex::Fault JsonIndex::Build(std::string_view text) {
  if (text.size() > kLargest) return Fault::kTooLarge;
  // The first text may be empty, and needs a parser all the same.
  if (capacity_ == 0 || text.size() > capacity_ || (capacity_ > kKeptCapacity && text.size() <= kKeptCapacity)) {
    const size_t wanted = std::max(kFirstCapacity, text.size() + text.size() / 4);
    capacity_ = 0;
    // Depth is counted by the reader; the parser's own stack is not used.
    const simdjson::error_code made =
        simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, 1, engine_->parser);
    if (made != simdjson::SUCCESS) return FaultOf(made);
    capacity_ = wanted;
  }
  simdjson::internal::dom_parser_implementation& parser = *engine_->parser;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const Fault fault = FaultOf(parser.stage1(bytes, text.size(), simdjson::stage1_mode::regular));
  begin_ = parser.structural_indexes.get();
  end_ = begin_ + (fault == Fault::kNone ? parser.n_structural_indexes : 0);
  return fault;
}

}  // namespace anabranch
