#include "bench/load/records.h"

#include <fstream>
#include <iterator>

#include "bench/load/arguments.h"

namespace anabranch::bench {

Lines::Lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Die(path + ": cannot be read");
  text_.assign(std::istreambuf_iterator<char>(file), {});
  for (size_t at = 0; at < text_.size();) {
    const size_t end = std::min(text_.find('\n', at), text_.size());
    lines_.push_back(std::string_view(text_).substr(at, end - at));
    at = end + 1;
  }
  if (lines_.empty()) Die(path + ": holds no line");
}

std::string KeyOf(int64_t record) {
  std::string key(kKeyDigits, '0');
  for (int64_t at = kKeyDigits; at-- > 0; record /= 10) key[static_cast<size_t>(at)] += static_cast<char>(record % 10);
  return key;
}

int64_t RecordOf(std::string_view key) {
  if (key.size() != kKeyDigits) return -1;
  int64_t record = 0;
  for (const char c : key) {
    if (c < '0' || c > '9') return -1;
    record = record * 10 + (c - '0');
  }
  return record;
}

}  // namespace anabranch::bench
