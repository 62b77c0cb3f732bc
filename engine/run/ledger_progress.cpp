#include "engine/run/ledger_progress.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "engine/scoring_note.h"

namespace anabranch {
namespace {

template <typename T>
bool TakeNumber(std::string_view* text, T* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc() || end == text->data() + text->size() || *end != ' ') return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()) + 1);
  return true;
}

}  // namespace

std::string PrintProgress(const StoredProgress& progress) {
  std::string text;
  for (const auto& [from, position] : progress.next) {
    text += std::to_string(from.partition) + ' ' + std::to_string(position) + ' ' + from.topic + '\n';
  }
  for (const auto& [from, scoring] : progress.scoring) {
    if (scoring.generation == 0) continue;
    text += std::to_string(from.partition) + ' ' + WithScoring({}, scoring) + ' ' + from.topic + '\n';
  }
  return text;
}

std::optional<StoredProgress> ParseProgress(std::string_view text) {
  StoredProgress progress;
  while (!text.empty()) {
    SourcePartition from;
    if (!TakeNumber(&text, &from.partition)) return std::nullopt;
    Scoring scoring;
    if (text.starts_with("g=")) {
      std::string_view note = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(note.size() + 1, text.size()));
      scoring = TakeScoring(&note);
      if (scoring.generation == 0) return std::nullopt;
    }
    int64_t position = 0;
    if (scoring.generation == 0 && !TakeNumber(&text, &position)) return std::nullopt;
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    from.topic = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (scoring.generation == 0) {
      progress.next[from] = position;
    } else {
      progress.scoring[from] = scoring;
    }
  }
  return progress;
}

std::string PrintCrashes(const std::vector<Ledger::Crashes>& crashes) {
  std::string text;
  for (const Ledger::Crashes& each : crashes) {
    text += std::to_string(each.count) + " " + std::to_string(each.first) + " " +
            std::to_string(each.partition.partition) + " " + each.stage + " " + each.partition.topic + "\n";
  }
  return text;
}

std::optional<std::vector<Ledger::Crashes>> ParseCrashes(const std::string& text) {
  std::vector<Ledger::Crashes> crashes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Ledger::Crashes each;
    words >> each.count >> each.first >> each.partition.partition >> each.stage >> std::ws;
    if (!words || !std::getline(words, each.partition.topic)) return std::nullopt;
    crashes.push_back(std::move(each));
  }
  return crashes;
}

}  // namespace anabranch
