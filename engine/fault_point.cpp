#include "engine/fault_point.h"

#ifndef ANABRANCH_NO_FAULT_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "engine/mutex.h"

namespace anabranch {
namespace {

enum class Action { kKill, kStop, kHang, kFail, kFailing };

struct Trap {
  std::string name;
  std::string subject;  // empty: any
  uint64_t at = 1;
  Action action = Action::kKill;
  uint64_t passed = 0;
};

Mutex mutex;
std::vector<Trap> traps GUARDED_BY(mutex);
int log_fd GUARDED_BY(mutex) = -1;

[[noreturn]] void BadSetting(const std::string& text) {
  std::fprintf(stderr, "ANABRANCH_FAULT: \"%s\" is not NAME[:SUBJECT]@N=kill|stop|hang|fail|failing\n", text.c_str());
  std::exit(2);
}

Trap ParseTrap(const std::string& text) {
  static constexpr std::pair<std::string_view, Action> kActions[] = {{"kill", Action::kKill},
                                                                     {"stop", Action::kStop},
                                                                     {"hang", Action::kHang},
                                                                     {"fail", Action::kFail},
                                                                     {"failing", Action::kFailing}};
  const size_t at = text.find('@');
  const size_t equals = text.find('=', at == std::string::npos ? 0 : at);
  if (at == std::string::npos || equals == std::string::npos) BadSetting(text);
  Trap trap;
  trap.name = text.substr(0, at);
  if (const size_t colon = trap.name.find(':'); colon != std::string::npos) {
    trap.subject = trap.name.substr(colon + 1);
    trap.name.resize(colon);
  }
  const char* end = text.data() + equals;
  const auto [rest, error] = std::from_chars(text.data() + at + 1, end, trap.at);
  if (error != std::errc() || rest != end || trap.at == 0 || trap.name.empty()) BadSetting(text);
  for (const auto& [name, action] : kActions) {
    if (text.substr(equals + 1) != name) continue;
    trap.action = action;
    return trap;
  }
  BadSetting(text);
}

void Act(Action action) {
  switch (action) {
    case Action::kKill: kill(getpid(), SIGKILL); break;
    case Action::kStop: kill(getpid(), SIGSTOP); break;
    case Action::kHang:
      while (true) pause();
    case Action::kFail:
    case Action::kFailing: break;
  }
}

}  // namespace

bool fault_internal::armed = false;

void ArmFaultPoints(const std::string& faults, const std::string& log) {
  const MutexLock lock(mutex);
  traps.clear();
  if (log_fd >= 0) close(log_fd);
  log_fd = -1;
  for (size_t begin = 0; begin < faults.size();) {
    const size_t end = std::min(faults.find(',', begin), faults.size());
    traps.push_back(ParseTrap(faults.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (!log.empty()) log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  fault_internal::armed = !traps.empty() || log_fd >= 0;
}

Status fault_internal::Pass(std::string_view name, std::string_view subject, uint64_t count) {
  Action action = Action::kFail;
  bool hit = false;
  {
    const MutexLock lock(mutex);
    if (log_fd >= 0) {
      const std::string line =
          std::string(name) + " " + std::string(subject.empty() ? "-" : subject) + " " + std::to_string(count) + "\n";
      if (write(log_fd, line.data(), line.size()) < 0) std::abort();
    }
    for (Trap& trap : traps) {
      if (trap.name != name || (!trap.subject.empty() && trap.subject != subject)) continue;
      ++trap.passed;
      if (trap.passed != trap.at && !(trap.action == Action::kFailing && trap.passed > trap.at)) continue;
      hit = true;
      action = trap.action;
    }
  }
  if (!hit) return {};
  Act(action);
  if (action != Action::kFail && action != Action::kFailing) return {};
  return {Code::kStage, "fault \"" + std::string(name) + "\" was asked for"};
}

}  // namespace anabranch

#endif
