#include <algorithm>
#include <charconv>
#include <ostream>

#include "engine/plan_graph.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/topics_view.h"

namespace anabranch {
namespace {

constexpr int kMostPartitions = 100'000;
constexpr int kExitNotReady = 1;

OutsideWishes WishesOf(const TopicsArgs& args) {
  OutsideWishes wishes;
  wishes.replicas = args.replication;
  for (const std::string& text : args.partitions) {
    const TopicPartitions wish = ParseTopicPartitions(text).value_or(TopicPartitions());
    if (wish.topic.empty()) {
      wishes.partitions = wish.partitions;
    } else {
      wishes.partitions_of[wish.topic] = wish.partitions;
    }
  }
  return wishes;
}

// A topic of --partitions that no topology needs is a typing error.
bool CheckNames(const OutsideWishes& wishes, const std::vector<TopicsReport>& reports, CommandIo& io) {
  std::vector<std::string> known;
  for (const TopicsReport& report : reports) {
    if (!report.error.empty()) return true;
    for (const OutsideThing& topic : report.topics) known.push_back(topic.name);
  }
  for (const auto& [name, partitions] : wishes.partitions_of) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    io.err << "anabranch topics: --partitions names topic \"" << Printable(name) << "\", which is not needed here; "
           << Suggest(name, known) << "\n";
    return false;
  }
  return true;
}

class TopicsCommandRun {
 public:
  TopicsCommandRun(const TopicsArgs& args, CommandIo& io) : args_(args), io_(io), wishes_(WishesOf(args)) {}

  int Run() {
    for (const std::string& file : args_.files) {
      checked_.push_back(CheckForCommand(file, args_.allow_paths, io_));
      faulty_ |= !checked_.back().ok();
    }
    if (faulty_) return kExitFaulty;
    std::vector<TopicsReport> reports = AskAll(false);
    if (!CheckNames(wishes_, reports, io_)) return kExitUsage;
    if (args_.create && code_ == kExitNotReady) reports = AskAll(true);
    if (args_.format == "json") io_.out << TopicsJson(reports);
    for (const TopicsReport& report : reports) Show(report);
    return code_;
  }

 private:
  // Sets code_: the worst of all files.
  std::vector<TopicsReport> AskAll(bool make) {
    code_ = kExitOk;
    std::vector<TopicsReport> reports;
    for (size_t i = 0; i < checked_.size(); ++i) {
      const Plan& plan = *checked_[i].plan;
      TopicsReport& report = reports.emplace_back(TopicsReport{args_.files[i], plan.name, {}, {}});
      const std::vector<OutsideNeed> needs = NeedsOf(plan);
      auto found =
          make ? io_.registry.MakeOutside(needs, wishes_, nullptr) : io_.registry.ListOutside(needs, wishes_, nullptr);
      if (!found.ok()) {
        report.error = found.status().message();
        code_ = ExitCode(found.status().code());
        continue;
      }
      report.topics = std::move(found).value();
      const bool ready = std::ranges::all_of(report.topics, &OutsideThing::ok);
      if (!ready && code_ == kExitOk) code_ = kExitNotReady;
    }
    return reports;
  }

  void Show(const TopicsReport& report) {
    if (!report.error.empty()) {
      io_.out.flush();
      io_.err << "anabranch topics: " << report.file << ": " << PrintableLines(report.error) << "\n";
      return;
    }
    if (args_.format == "json") return;
    io_.out << TopicsText(report);
    io_.out.flush();
    io_.err << TopicsSummary(report, TopicsCommand(report.file, args_.allow_paths));
  }

  const TopicsArgs& args_;
  CommandIo& io_;
  const OutsideWishes wishes_;
  std::vector<CheckedTopology> checked_;
  bool faulty_ = false;
  int code_ = kExitOk;
};

}  // namespace

std::optional<TopicPartitions> ParseTopicPartitions(const std::string& text) {
  TopicPartitions wish;
  const size_t equals = text.rfind('=');
  if (equals == 0) return std::nullopt;
  if (equals != std::string::npos) wish.topic = text.substr(0, equals);
  const char* const end = text.data() + text.size();
  const auto parsed =
      std::from_chars(text.data() + (equals == std::string::npos ? 0 : equals + 1), end, wish.partitions);
  const bool number = parsed.ptr == end && parsed.ec == std::errc();
  if (!number || wish.partitions < 1 || wish.partitions > kMostPartitions) return std::nullopt;
  return wish;
}

int CommandTopics(const TopicsArgs& args, CommandIo& io) { return TopicsCommandRun(args, io).Run(); }

}  // namespace anabranch
