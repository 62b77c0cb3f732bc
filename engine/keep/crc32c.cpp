#include "engine/keep/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace anabranch {

#ifdef __SSE4_2__

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint64_t sum = ~crc;
  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    sum = _mm_crc32_u64(sum, word);
  }
  auto tail = static_cast<uint32_t>(sum);
  for (; left > 0; --left, ++p) tail = _mm_crc32_u8(tail, static_cast<uint8_t>(*p));
  return ~tail;
}

#else

namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t sum = i;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82F63B78u : 0u);
    table[i] = sum;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint32_t sum = ~crc;
  for (const char c : bytes) sum = kTable[(sum ^ static_cast<uint8_t>(c)) & 0xFF] ^ (sum >> 8);
  return ~sum;
}

#endif

}  // namespace anabranch
