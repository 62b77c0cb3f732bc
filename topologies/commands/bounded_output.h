#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <streambuf>
#include <string>

namespace anabranch {

// A stream buffer over a file descriptor, for talk: whoever writes never waits for whoever reads. A thread of its own
// writes the lines on. What nobody takes is held up to `max_bytes`; then the oldest lines go, and a line says how many.
// A flush hands over and does not wait. Any thread, one line at a time: a line ends where a '\n' is written.
class BoundedOutput : public std::streambuf {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 20;
  static constexpr std::chrono::milliseconds kPatience{2000};

  explicit BoundedOutput(int fd, size_t max_bytes = kMaxBytes);
  // Drains. A thread that a full pipe holds is left behind: it ends with the process.
  ~BoundedOutput() override;

  // Waits until everything is written; no longer than `patience` during which nothing could be.
  void Drain(std::chrono::milliseconds patience = kPatience);

 protected:
  int overflow(int character) override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int sync() override;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the thread, which may outlive this
};

}  // namespace anabranch
