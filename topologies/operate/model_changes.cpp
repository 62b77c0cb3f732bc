#include "topologies/operate/model_changes.h"

#include <exception>
#include <utility>

namespace anabranch {
namespace {

constexpr size_t kMostLines = 200, kMostBytes = 2000;

void AddLine(std::string line, std::vector<std::string>* lines) {
  if (line.empty() || lines->size() >= kMostLines) return;
  if (line.size() > kMostBytes) line = line.substr(0, kMostBytes) + "…";
  lines->push_back(std::move(line));
}

std::string StateOf(ModelChangeResult::Kind kind) {
  switch (kind) {
    case ModelChangeResult::Kind::kActive:
    case ModelChangeResult::Kind::kAlready:
    case ModelChangeResult::Kind::kHeld: return "done";
    case ModelChangeResult::Kind::kRefused: return "refused";
    case ModelChangeResult::Kind::kWrong:
    case ModelChangeResult::Kind::kFailed: return "failed";
  }
  return "failed";
}

// An exception, of the memory or of a library, ends the change and not the process.
ModelChangeResult ResultOf(const ModelChanges::Work& work, const CancelToken& cancel,
                           const ModelChanges::Progress& progress) {
  ModelChangeResult failed;
  try {
    return work(cancel, progress);
  } catch (const std::exception& error) {
    failed.status = {Code::kInternal, std::string("the change ended with an error: ") + error.what() +
                                          "; look at \"model history\" before you order it again"};
  } catch (...) {
    failed.status = {Code::kInternal,
                     "the change ended with an unknown error; look at \"model history\" before you "
                     "order it again"};
  }
  return failed;
}

}  // namespace

ModelChanges::~ModelChanges() {
  cancel_.Raise(CancelToken::kNow);
  std::vector<std::thread> last;
  {
    const MutexLock lock(mutex_);
    for (auto& [model, slot] : slots_) last.push_back(std::move(slot.thread));
  }
  for (std::thread& each : last) {
    if (each.joinable()) each.join();
  }
}

std::optional<int64_t> ModelChanges::Start(const std::string& model, const std::string& action, Work work) {
  const MutexLock lock(mutex_);
  Slot& slot = slots_[model];
  if (slot.report.at_work() || cancel_.draining()) return std::nullopt;
  if (slot.thread.joinable()) slot.thread.join();  // it has ended
  slot.report = {++last_, action, "running", {}, {}};
  slot.thread = std::thread([this, model, work = std::move(work)] {
    const auto progress = [&](const std::string& line) {
      const MutexLock told(mutex_);
      AddLine(line, &slots_[model].report.lines);
    };
    Ended(model, ResultOf(work, cancel_, progress));
  });
  return last_;
}

void ModelChanges::Ended(const std::string& model, const ModelChangeResult& result) {
  const MutexLock lock(mutex_);
  Report& report = slots_[model].report;
  AddLine(result.text, &report.lines);
  for (const std::string& remark : result.remarks) AddLine(remark, &report.lines);
  for (const std::string& reason : result.reasons) AddLine(reason, &report.reasons);
  if (!result.status.ok()) AddLine(result.status.message(), &report.reasons);
  report.state = StateOf(result.kind);
}

ModelChanges::Report ModelChanges::Last(const std::string& model) const {
  const MutexLock lock(mutex_);
  const auto found = slots_.find(model);
  return found == slots_.end() ? Report() : found->second.report;
}

}  // namespace anabranch
