#include "topologies/commands/stop_signals.h"

#include <unistd.h>

#include <atomic>

#include "topologies/commands/command.h"

namespace anabranch {
namespace {

constexpr unsigned kGraceSeconds = 2;

std::atomic<CancelToken*> token{nullptr};
std::atomic<int> signals{0};
std::atomic<int> before_first{0};  // how many the first one counts for, beyond itself

extern "C" void OnStop(int) {
  int number = signals.fetch_add(1) + 1 + before_first.load();
  if (number > 2) _exit(kExitInterrupted);
  CancelToken* cancel = token.load();
  if (cancel == nullptr) return;
  cancel->Raise(number == 1 ? CancelToken::kDrain : CancelToken::kNow);
  if (number == 2) alarm(kGraceSeconds);
}

extern "C" void OnAlarm(int) { _exit(kExitInterrupted); }

void Handle(int signal, void (*handler)(int), struct sigaction* old) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, old);
}

}  // namespace

StopSignals::StopSignals(CancelToken& cancel, bool at_once) {
  signals = 0;
  before_first = at_once ? 1 : 0;
  token = &cancel;
  Handle(SIGINT, OnStop, &old_int_);
  Handle(SIGTERM, OnStop, &old_term_);
  Handle(SIGALRM, OnAlarm, &old_alarm_);
  Handle(SIGPIPE, SIG_IGN, &old_pipe_);
}

StopSignals::~StopSignals() {
  alarm(0);
  token = nullptr;
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  sigaction(SIGALRM, &old_alarm_, nullptr);
  sigaction(SIGPIPE, &old_pipe_, nullptr);
}

int StopSignals::seen() const { return signals.load(); }

}  // namespace anabranch
