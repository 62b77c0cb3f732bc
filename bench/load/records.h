#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch::bench {

// The lines of a file, in memory as long as this lives. Not empty, else the process ends.
class Lines {
 public:
  explicit Lines(const std::string& path);
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  size_t size() const { return lines_.size(); }
  // Record i holds line i % size().
  std::string_view Of(int64_t record) const { return lines_[static_cast<size_t>(record) % lines_.size()]; }

 private:
  std::string text_;
  std::vector<std::string_view> lines_;
};

// The key of record i: twelve digits.
inline constexpr int64_t kKeyDigits = 12;
std::string KeyOf(int64_t record);
// -1 when the text is no such key.
int64_t RecordOf(std::string_view key);

}  // namespace anabranch::bench
