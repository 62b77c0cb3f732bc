#include "engine/scoring_note.h"

#include <optional>

#include "engine/whole_number.h"

namespace anabranch {
namespace {

constexpr std::string_view kBegin = "g=", kSince = ";s=";

// "g=17;s=12345", all of it.
std::optional<Scoring> Parse(std::string_view text) {
  const size_t since = text.find(kSince);
  if (!text.starts_with(kBegin) || since == std::string_view::npos) return std::nullopt;
  uint32_t generation = 0;
  Scoring scoring;
  if (!ReadWholeNumber(text.substr(kBegin.size(), since - kBegin.size()), &generation)) return std::nullopt;
  if (!ReadWholeNumber(text.substr(since + kSince.size()), &scoring.since)) return std::nullopt;
  scoring.generation = GenerationId(generation);
  return scoring;
}

}  // namespace

std::string WithScoring(std::string note, const Scoring& scoring) {
  if (scoring.generation == 0) return note;
  if (!note.empty()) note += ';';
  note.append(kBegin).append(std::to_string(uint32_t{scoring.generation}));
  return note.append(kSince).append(std::to_string(scoring.since));
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
