#include "topologies/commands/repeated_lines.h"

#include <algorithm>
#include <cctype>

namespace anabranch {
namespace {

// With each number as one mark.
std::string PatternOf(const std::string& line) {
  std::string pattern;
  for (const char c : line) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!digit) {
      pattern += c;
    } else if (pattern.empty() || pattern.back() != '#') {
      pattern += '#';
    }
  }
  return pattern;
}

}  // namespace

bool RepeatedLines::IsNew(const std::string& line, int64_t now_ns) {
  last_ns_ = now_ns;
  std::string pattern = PatternOf(line);
  const auto at = std::ranges::find(seen_, pattern, &Seen::pattern);
  if (at != seen_.end()) {
    ++at->more;
    at->line = line;
    return false;
  }
  if (seen_.size() >= kMostLines) seen_.pop_front();
  seen_.push_back({std::move(pattern), line, now_ns, 0});
  return true;
}

std::string RepeatedLines::TextOf(const Seen& seen, int64_t ns) {
  return seen.line + " (the same " + std::to_string(seen.more) + (seen.more == 1 ? " time" : " times") + " in " +
         std::to_string(ns / 1'000'000'000) + " s)";
}

std::vector<std::string> RepeatedLines::TakeOver(int64_t now_ns) {
  last_ns_ = now_ns;
  std::vector<std::string> lines;
  std::vector<Seen> again;
  while (!seen_.empty() && now_ns - seen_.front().since_ns >= kWindowNs) {
    Seen& first = seen_.front();
    if (first.more > 0) {
      lines.push_back(TextOf(first, now_ns - first.since_ns));
      again.push_back({first.pattern, first.line, now_ns, 0});  // it goes on: a line per window
    }
    seen_.pop_front();
  }
  for (Seen& seen : again) seen_.push_back(std::move(seen));
  return lines;
}

std::vector<std::string> RepeatedLines::TakeAll() {
  std::vector<std::string> lines;
  for (const Seen& seen : seen_) {
    if (seen.more > 0) lines.push_back(TextOf(seen, last_ns_ - seen.since_ns));
  }
  seen_.clear();
  return lines;
}

}  // namespace anabranch
