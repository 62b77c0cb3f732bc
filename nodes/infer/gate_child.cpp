#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/clock.h"
#include "engine/descriptor.h"
#include "engine/models/scratch_folder.h"
#include "engine/printable.h"
#include "nodes/infer/gate.h"

extern char** environ;

namespace anabranch {
namespace {

constexpr int64_t kCancelMs = 50;  // how often a cancel token is looked at
constexpr size_t kMostAnswerBytes = size_t{4} << 20;

PackageVerdict Failed(const std::string& code, const std::string& message) {
  PackageVerdict verdict;
  verdict.faults.push_back({code, "model.onnx", message});
  return verdict;
}

// The environment of this process, with another folder for temporary files unless that is empty.
class Environment {
 public:
  explicit Environment(const std::string& temporary) : temporary_("TMPDIR=" + temporary) {
    for (char** at = environ; *at != nullptr; ++at) {
      if (temporary.empty() || !std::string_view(*at).starts_with("TMPDIR=")) all_.push_back(*at);
    }
    if (!temporary.empty()) all_.push_back(temporary_.data());
    all_.push_back(nullptr);
  }
  char** get() { return all_.data(); }

 private:
  std::string temporary_;
  std::vector<char*> all_;
};

// What the process wrote, until it closed its output. False when the time ran out or `cancel` was raised before.
bool ReadAnswer(int fd, int64_t deadline_ns, const CancelToken* cancel, std::string* answer) {
  for (;;) {
    const int64_t left_ms = (deadline_ns - Clock::Real().NowNs()) / 1'000'000;
    if (left_ms <= 0 || (cancel != nullptr && cancel->draining())) return false;
    pollfd wait{fd, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(cancel == nullptr ? left_ms : std::min(left_ms, kCancelMs)) + 1);
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    char bytes[65536];
    const ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    if (answer->size() < kMostAnswerBytes) answer->append(bytes, static_cast<size_t>(n));
  }
}

// Ends by itself or is killed: SIGKILL leaves nothing to wait for.
int EndOf(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

PackageVerdict ReadVerdict(const std::string& answer, int status, const std::string& program) {
  if (WIFSIGNALED(status)) {
    return Failed("crashed", "the model ended the process that tried it: " + std::string(strsignal(WTERMSIG(status))) +
                                 "; it would end the pipeline, too");
  }
  if (WEXITSTATUS(status) == kGateHangsExit) {
    return Failed("hangs", "a call of the model did not end and cannot be ended; look for a loop that does not end");
  }
  PackageVerdict verdict;
  try {
    const auto json = nlohmann::ordered_json::parse(answer);
    for (const auto& fault : json.at("faults")) {
      verdict.faults.push_back({fault.at("code").get<std::string>(), fault.at("file").get<std::string>(),
                                fault.at("message").get<std::string>()});
    }
    for (const auto& item : json.at("measured").items()) verdict.measured[item.key()] = item.value().get<std::string>();
    return verdict;
  } catch (const std::exception&) {
    return Failed("crashed", "the process that tried the model ended with exit code " +
                                 std::to_string(WEXITSTATUS(status)) + " and without an answer; run `" + program +
                                 "` to see why");
  }
}

}  // namespace

PackageVerdict CheckInChild(const std::string& place, const std::vector<std::string>& arguments, int timeout_ms,
                            const CancelToken* cancel) {
  std::vector<std::string> words = {"anabranch", "model", "check", place, "--format", "json", "--in-process"};
  words.insert(words.end(), {"--timeout", std::to_string(std::clamp(timeout_ms / 1000 + 1, 1, 86400))});
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  std::string shown;
  for (std::string& word : words) {
    argv.push_back(word.data());
    shown += (shown.empty() ? "" : " ") + Printable(word, 200);
  }
  argv.push_back(nullptr);
  const ScratchFolder scratch;  // a process that crashes leaves what it unpacked
  Environment environment(scratch.path());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("crashed", std::string("no pipe: ") + std::strerror(errno));
  const Descriptor answer_end(ends[0]);
  pid_t pid = -1;
  int failed = 0;
  {
    const Descriptor write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);  // the runtime's notes
    failed = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environment.get());
    posix_spawn_file_actions_destroy(&actions);
  }
  if (failed != 0) return Failed("crashed", std::string("no process can be started: ") + std::strerror(failed));
  std::string answer;
  const int64_t deadline_ns = Clock::Real().NowNs() + int64_t{timeout_ms} * 1'000'000;
  const bool whole = ReadAnswer(answer_end.get(), deadline_ns, cancel, &answer);
  if (!whole) kill(pid, SIGKILL);
  const int status = EndOf(pid);
  if (!whole && cancel != nullptr && cancel->draining()) return Failed("cancelled", "the gates were ended: ask again");
  if (!whole) {
    return Failed("hangs",
                  "the gates did not end within " + std::to_string(timeout_ms) +
                      " ms and were ended; look for a loop in the model that does not end, or give them more time");
  }
  return ReadVerdict(answer, status, shown);
}

std::vector<PackageFault> CheckInChild(const std::string& place, int timeout_ms) {
  return CheckInChild(place, {}, timeout_ms).faults;
}

}  // namespace anabranch
