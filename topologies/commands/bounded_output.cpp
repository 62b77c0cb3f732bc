#include "topologies/commands/bounded_output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <string_view>
#include <thread>

#include "engine/mutex.h"

namespace anabranch {

struct BoundedOutput::State {
  State(int descriptor, size_t most) : fd(descriptor), max_bytes(most) {}

  void Append(std::string_view text) REQUIRES(mutex);
  void TakeOpenLine() REQUIRES(mutex);
  bool Idle() const REQUIRES(mutex) { return lines.empty() && !busy; }
  void WriteAll();
  void Write(std::string_view text);

  const int fd;
  const size_t max_bytes;
  Mutex mutex;
  Condition changed;
  std::string open GUARDED_BY(mutex);               // a line without its end
  std::deque<std::string> lines GUARDED_BY(mutex);  // to be written
  size_t bytes GUARDED_BY(mutex) = 0;               // of lines
  size_t dropped GUARDED_BY(mutex) = 0;             // lines since the last that was written
  size_t written GUARDED_BY(mutex) = 0;             // pieces; shows Drain() that output makes progress
  bool busy GUARDED_BY(mutex) = false;
  bool started GUARDED_BY(mutex) = false;
  bool ended GUARDED_BY(mutex) = false;
};

void BoundedOutput::State::Append(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    open.append(text.substr(0, end == std::string_view::npos ? text.size() : end + 1));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
    TakeOpenLine();
  }
}

void BoundedOutput::State::TakeOpenLine() {
  if (open.empty()) return;
  bytes += open.size();
  lines.push_back(std::move(open));
  open.clear();
  while (bytes > max_bytes && lines.size() > 1) {
    bytes -= lines.front().size();
    lines.pop_front();
    ++dropped;
  }
}

void BoundedOutput::State::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      (void)poll(&room, 1, 1000);
      continue;
    }
    if (count < 0 && errno != EINTR) return;  // the reader is gone
    if (count > 0) text.remove_prefix(static_cast<size_t>(count));
    const MutexLock lock(mutex);
    ++written;
    changed.NotifyAll();
  }
}

void BoundedOutput::State::WriteAll() {
  const MutexLock lock(mutex);
  while (true) {
    changed.Wait(mutex, [this]() REQUIRES(mutex) { return ended || !lines.empty(); });
    if (lines.empty()) return;
    std::string text;
    if (dropped > 0)
      text = "(" + std::to_string(dropped) + " lines were dropped because nothing reads standard error)\n";
    dropped = 0;
    text += lines.front();
    bytes -= lines.front().size();
    lines.pop_front();
    busy = true;
    {
      const MutexUnlock unlock(mutex);
      Write(text);
    }
    busy = false;
    changed.NotifyAll();
  }
}

BoundedOutput::BoundedOutput(int fd, size_t max_bytes) : state_(std::make_shared<State>(fd, max_bytes)) {}

BoundedOutput::~BoundedOutput() {
  Drain();
  const MutexLock lock(state_->mutex);
  state_->ended = true;
  state_->changed.NotifyAll();
}

void BoundedOutput::Drain(std::chrono::milliseconds patience) {
  sync();
  State& state = *state_;
  const MutexLock lock(state.mutex);
  while (!state.Idle()) {
    const size_t before = state.written;
    const bool moved = state.changed.WaitFor(
        state.mutex, patience, [&]() REQUIRES(state.mutex) { return state.Idle() || state.written != before; });
    if (!moved) return;
  }
}

int BoundedOutput::overflow(int character) {
  if (character == traits_type::eof()) return 0;
  const char c = traits_type::to_char_type(character);
  return xsputn(&c, 1) == 1 ? character : traits_type::eof();
}

std::streamsize BoundedOutput::xsputn(const char* text, std::streamsize size) {
  const MutexLock lock(state_->mutex);
  if (!state_->started) {
    state_->started = true;
    std::thread([state = state_] { state->WriteAll(); }).detach();
  }
  state_->Append({text, static_cast<size_t>(size)});
  if (!state_->lines.empty()) state_->changed.NotifyAll();
  return size;
}

// A line without an end yet: a question, or a painted block.
int BoundedOutput::sync() {
  const MutexLock lock(state_->mutex);
  state_->TakeOpenLine();
  if (!state_->lines.empty()) state_->changed.NotifyAll();
  return 0;
}

}  // namespace anabranch
