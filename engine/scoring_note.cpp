#include "engine/scoring_note.h"

#include <charconv>
#include <optional>

#include "engine/whole_number.h"

namespace anabranch {
namespace {

constexpr std::string_view kBegin = "g=", kSince = ";s=", kCheck = ";h=";
constexpr size_t kCheckDigits = 8;
constexpr int kHex = 16;

bool ReadCheck(std::string_view digits, uint32_t* check) {
  if (digits.size() != kCheckDigits) return false;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *check, kHex);
  return error == std::errc() && end == digits.data() + digits.size();
}

std::string PrintCheck(uint32_t check) {
  char digits[kCheckDigits];
  const auto size = static_cast<size_t>(std::to_chars(digits, digits + kCheckDigits, check, kHex).ptr - digits);
  return std::string(kCheckDigits - size, '0').append(digits, size);
}

// "g=17;s=12345" or "g=17;s=12345;h=0badcafe", all of it.
std::optional<Scoring> Parse(std::string_view text) {
  const size_t since = text.find(kSince);
  if (!text.starts_with(kBegin) || since == std::string_view::npos) return std::nullopt;
  uint32_t generation = 0;
  Scoring scoring;
  if (!ReadWholeNumber(text.substr(kBegin.size(), since - kBegin.size()), &generation)) return std::nullopt;
  const size_t check = text.find(kCheck, since);
  if (check != std::string_view::npos) {
    if (!ReadCheck(text.substr(check + kCheck.size()), &scoring.check)) return std::nullopt;
    text = text.substr(0, check);
  }
  if (!ReadWholeNumber(text.substr(since + kSince.size()), &scoring.since)) return std::nullopt;
  scoring.generation = GenerationId(generation);
  return scoring;
}

}  // namespace

std::string WithScoring(std::string note, const Scoring& scoring) {
  if (scoring.generation == 0) return note;
  if (!note.empty()) note += ';';
  note.append(kBegin).append(std::to_string(uint32_t{scoring.generation}));
  note.append(kSince).append(std::to_string(scoring.since));
  if (scoring.check != 0) note.append(kCheck).append(PrintCheck(scoring.check));
  return note;
}

Scoring TakeScoring(std::string_view* note) {
  const size_t begin = note->rfind(kBegin);
  if (begin == std::string_view::npos || (begin > 0 && (*note)[begin - 1] != ';')) return {};
  const std::optional<Scoring> scoring = Parse(note->substr(begin));
  if (!scoring) return {};
  note->remove_suffix(note->size() - begin + (begin > 0 ? 1 : 0));
  return *scoring;
}

}  // namespace anabranch
