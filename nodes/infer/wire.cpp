#include "nodes/infer/wire.h"

namespace anabranch {
namespace {

constexpr uint64_t kMaxTag = UINT32_MAX;

bool Skip(std::string_view* bytes, uint64_t size) {
  if (size > bytes->size()) return false;
  bytes->remove_prefix(size);
  return true;
}

}  // namespace

bool WireFields::Varint(std::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool WireFields::Read() {
  uint64_t tag = 0;
  if (!Varint(&rest_, &tag) || tag > kMaxTag || tag < 8) return false;
  number = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0: return Varint(&rest_, &integer);
    case 1: return Skip(&rest_, 8);
    case 5: return Skip(&rest_, 4);
    case 2: {
      uint64_t size = 0;
      if (!Varint(&rest_, &size)) return false;
      text = rest_.substr(0, size);
      delimited = true;
      return Skip(&rest_, size);
    }
    default: return false;
  }
}

bool WireFields::Next() {
  if (rest_.empty() || !ok_) return false;
  const std::string_view before = rest_;
  text = {};
  delimited = false;
  ok_ = Read();
  whole = before.substr(0, before.size() - rest_.size());
  return ok_;
}

}  // namespace anabranch
