#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

// XXH3 without its sign bit, so that hash(x) % n is a bucket.
int64_t Hash(const void* data, size_t size) {
  return static_cast<int64_t>(XXH3_64bits(data, size) & static_cast<uint64_t>(INT64_MAX));
}

int64_t HashWord(uint64_t word) {
  unsigned char bytes[8];  // little-endian on every machine
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(word >> (8 * i));
  return Hash(bytes, sizeof bytes);
}

// Equal numbers hash alike: one zero, one NaN.
uint64_t CanonicalBits(double x) {
  if (x != x) return 0x7ff8000000000000;
  if (x == 0) x = 0;
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

}  // namespace

void HashInt64(const Call& call) {
  Map1<int64_t, int64_t>(call, [](int64_t x) { return HashWord(static_cast<uint64_t>(x)); });
}
void HashBool(const Call& call) {
  Map1<uint8_t, int64_t>(call, [](uint8_t x) { return HashWord(x & 1); });
}
void HashFloat64(const Call& call) {
  Map1<double, int64_t>(call, [](double x) { return HashWord(CanonicalBits(x)); });
}
void HashString(const Call& call) {
  const std::string_view* in = In<std::string_view>(call, 0);
  int64_t* out = Out<int64_t>(call);
  ForValid(call, [&](uint32_t row) { out[row] = Hash(in[row].data(), in[row].size()); });
}

}  // namespace anabranch::expression
