#include "engine/strategy/draw.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace anabranch {
namespace {

constexpr size_t kWord = 8, kShort = 256;

void PutWord(uint64_t word, unsigned char* bytes) {
  for (size_t i = 0; i < kWord; ++i) bytes[i] = static_cast<unsigned char>(word >> (8 * i));
}

uint64_t HashBehind(uint64_t word, std::string_view text) {
  unsigned char bytes[kWord + kShort];
  PutWord(word, bytes);
  if (text.size() <= kShort) {
    if (!text.empty()) std::memcpy(bytes + kWord, text.data(), text.size());
    return XXH3_64bits(bytes, kWord + text.size());
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, bytes, kWord);
  XXH3_64bits_update(&state, text.data(), text.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace

uint64_t SaltOf(std::string_view purpose, uint64_t generation) { return HashBehind(generation, purpose); }

double Draw(uint64_t salt, std::string_view unit) {
  return static_cast<double>(HashBehind(salt, unit) >> 11) * 0x1p-53;
}

size_t ArmOf(double u, std::span<const double> probabilities) {
  double below = 0;
  size_t last = 0;
  for (size_t arm = 0; arm < probabilities.size(); ++arm) {
    if (probabilities[arm] <= 0) continue;
    below += probabilities[arm];
    if (u < below) return arm;
    last = arm;
  }
  return last;
}

}  // namespace anabranch
