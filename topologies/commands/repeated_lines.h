#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

namespace anabranch {

// Folds lines that come again and again. Lines that differ in their numbers only are the same here. One thread at a
// time.
class RepeatedLines {
 public:
  static constexpr int64_t kWindowNs = 60'000'000'000;
  static constexpr size_t kMostLines = 64;  // that it remembers; the oldest is forgotten

  // True: the line is to be said now. False: it was said less than a window ago; it is counted.
  bool IsNew(const std::string& line, int64_t now_ns);
  // What was counted in windows that are over, one line each: `… (the same 41 times in 60 s)`.
  std::vector<std::string> TakeOver(int64_t now_ns);
  // The same for all windows: at the end.
  std::vector<std::string> TakeAll();

 private:
  struct Seen {
    std::string pattern;
    std::string line;  // the last of them
    int64_t since_ns = 0;
    int64_t more = 0;
  };
  static std::string TextOf(const Seen& seen, int64_t ns);

  std::list<Seen> seen_;  // the oldest window first
  int64_t last_ns_ = 0;
};

}  // namespace anabranch
