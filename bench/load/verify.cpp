#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/commands.h"
#include "bench/load/judge.h"
#include "bench/load/kafka.h"
#include "bench/load/records.h"

namespace anabranch::bench {
namespace {

constexpr int kNamed = 5;           // faults of a kind that are reported one by one
constexpr int kSilenceMs = 30'000;  // no record and no end in this time: the broker is gone

class Tally {
 public:
  Tally(int64_t count, int source_partitions, Judge* judge)
      : times_(static_cast<size_t>(count)), source_partitions_(source_partitions), judge_(judge) {}

  void Take(const Received& received) {
    ++records_;
    append_ms_.push_back(received.timestamp_ms);
    append_time_ = append_time_ && received.append_time;
    const int64_t record = RecordOf(received.key);
    const std::string key(received.key);
    if (record < 0 || record >= static_cast<int64_t>(times_.size()))
      return Wrong("\"" + key + "\"", "no key that was sent");
    if (times_[static_cast<size_t>(record)]++ != 0) {
      if (++twice_ <= kNamed) std::fprintf(stderr, "record %s is there twice\n", key.c_str());
    }
    int64_t& last = last_[{received.partition, static_cast<int>(record % source_partitions_)}];
    if (record < last && ++out_of_order_ <= kNamed) {
      std::fprintf(stderr, "record %s comes behind record %s of the same partition\n", key.c_str(),
                   KeyOf(last).c_str());
    }
    last = record;
    const std::string fault = received.has_value ? judge_->Fault(record, received.value) : "no value";
    if (!fault.empty()) Wrong(key, fault);
  }

  // Prints; whether all was right. The rate is that of what comes behind the first quarter and behind the first
  // `warm_ms`.
  bool Finish(int64_t warm_ms) {
    int64_t missing = 0;
    for (size_t i = 0; i < times_.size(); ++i) {
      if (times_[i] != 0) continue;
      if (++missing <= kNamed) std::fprintf(stderr, "record %s is missing\n", KeyOf(static_cast<int64_t>(i)).c_str());
    }
    if (!append_time_) std::fprintf(stderr, "the topic has no LogAppendTime: times and rate would be the senders'\n");
    std::sort(append_ms_.begin(), append_ms_.end());
    int64_t first = 0, quarter = 0, begin = 0, end = 0;
    size_t measured = 0;
    if (const size_t n = append_ms_.size(); n > 0) {
      first = append_ms_.front(), quarter = append_ms_[n / 4], end = append_ms_.back();
      begin = std::max(quarter, std::min(first + warm_ms, end));
      measured = static_cast<size_t>(append_ms_.end() - std::lower_bound(append_ms_.begin(), append_ms_.end(), begin));
      if (begin == quarter) measured = n - n / 4;
    }
    const double rate = static_cast<double>(measured) * 1000 / static_cast<double>(std::max<int64_t>(end - begin, 1));
    const auto text = [](int64_t value) { return std::to_string(value); };
    std::printf(
        "{\"records\":%s,\"missing\":%s,\"twice\":%s,\"wrong\":%s,\"out_of_order\":%s,"
        "\"first_ms\":%s,\"quarter_ms\":%s,\"begin_ms\":%s,\"last_ms\":%s,\"measured\":%zu,\"rate\":%.1f}\n",
        text(records_).c_str(), text(missing).c_str(), text(twice_).c_str(), text(wrong_).c_str(),
        text(out_of_order_).c_str(), text(first).c_str(), text(quarter).c_str(), text(begin).c_str(), text(end).c_str(),
        measured, rate);
    return missing == 0 && twice_ == 0 && wrong_ == 0 && out_of_order_ == 0 && append_time_;
  }

 private:
  void Wrong(const std::string& key, const std::string& fault) {
    if (++wrong_ <= kNamed) std::fprintf(stderr, "record %s is wrong: %s\n", key.c_str(), fault.c_str());
  }

  std::vector<uint32_t> times_;
  const int source_partitions_;
  Judge* judge_;
  std::vector<int64_t> append_ms_;
  bool append_time_ = true;
  int64_t records_ = 0, twice_ = 0, wrong_ = 0, out_of_order_ = 0;
  std::map<std::pair<int, int>, int64_t> last_;  // by partition, and partition of the source
};

void ReadAll(const Arguments& arguments, Tally* tally) {
  const Client consumer = MakeConsumer(
      arguments.Word(0), {{"group.id", "bench-verify"},
                          {"enable.auto.commit", "false"},
                          {"enable.partition.eof", "true"},
                          {"auto.offset.reset", "error"},
                          {"isolation.level", arguments.Has("--committed") ? "read_committed" : "read_uncommitted"},
                          {"queued.min.messages", "1000000"},
                          {"queued.max.messages.kbytes", "500000"}});
  const int partitions = PartitionsOf(consumer.get(), arguments.Word(1));
  ReadFrom(consumer.get(), arguments.Word(1), std::vector<int64_t>(static_cast<size_t>(partitions), kBeginning));
  std::vector<bool> ended(static_cast<size_t>(partitions));
  while (std::find(ended.begin(), ended.end(), false) != ended.end()) {
    const bool any = Receive(consumer.get(), kSilenceMs, [&](const Received& received) {
      ended[static_cast<size_t>(received.partition)] = received.end;
      if (!received.end) tally->Take(received);
    });
    if (!any) Die("topic " + arguments.Word(1) + " gave nothing for " + std::to_string(kSilenceMs / 1000) + " s");
  }
}

}  // namespace

int Verify(int argc, char** argv) {
  const Arguments arguments(
      argc, argv,
      {"usage: load verify BOOTSTRAP TOPIC --count N --records FILE --workload relay|tabular|ffnn|ffnn_echo\n"
       "                   [--scores FILE] [--partitions P=1] [--committed] [--warm MS=0]\n"
       "--partitions: of the source; --warm: behind the first result, what does not count for the rate",
       {"--count", "--records", "--scores", "--workload", "--partitions", "--warm"},
       {"--committed"},
       2});
  const Lines records(arguments.Text("--records"));
  const std::string workload = arguments.Text("--workload");
  const std::string scores = workload == "relay" ? "" : arguments.Text("--scores");
  const std::unique_ptr<Judge> judge = MakeJudge(workload, records, scores);
  if (judge == nullptr) arguments.Refuse("--workload " + workload);
  Tally tally(arguments.Number("--count", 1), static_cast<int>(arguments.Number("--partitions", 1, 1)), judge.get());
  ReadAll(arguments, &tally);
  return tally.Finish(arguments.Number("--warm", 0, 0)) ? 0 : 1;
}

}  // namespace anabranch::bench
