#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <streambuf>
#include <string>

namespace anabranch {

// A stream buffer over a file descriptor, for messages: a writer never waits for the reader. A thread of its own writes
// the lines. Up to `max_bytes` of unread lines are held; then the oldest are dropped, and a line says how many.
// A flush passes the text to the thread and does not wait. Any thread, one line at a time: '\n' ends a line.
class BoundedOutput : public std::streambuf {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 20;
  static constexpr std::chrono::milliseconds kPatience{2000};

  explicit BoundedOutput(int fd, size_t max_bytes = kMaxBytes);
  // Drains. A thread that is blocked by a full pipe is abandoned; it ends with the process.
  ~BoundedOutput() override;

  // Waits until everything is written, or until nothing could be written for `patience`.
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
