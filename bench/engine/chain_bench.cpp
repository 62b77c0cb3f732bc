// What one more arithmetic node costs: a chain of ten transforms minus a chain of one, the same records,
// whole plan worker (decode, nodes, JSON encode) without source and target I/O.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "connectors/catalog.h"
#include "engine/run/plan_worker.h"
#include "nodes/catalog.h"
#include "topologies/language/check.h"

namespace anabranch::bench {
namespace {

constexpr uint32_t kRows = 256;
constexpr int kBatches = 2000;
constexpr int kRounds = 9;

std::string Chain(int nodes) {
  std::string text = R"({"anabranch": 1, "name": "chain", "delivery": "at_least_once",
    "schemas": {"r": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}},
    "sources": {"in": {"file": {"path": "chain.jsonl"}, "schema": "r", "key": "position"}}, "nodes": {)";
  std::string above = "in";
  for (int i = 0; i < nodes; ++i) {
    const std::string id = "n" + std::to_string(i);
    text += "\"" + id + "\": {\"kind\": \"transform\", \"inputs\": [\"" + above + "\"], \"set\": {\"x" +
            std::to_string(i) + "\": \"a * 1.5 + b\"}},";
    above = id;
  }
  return text + R"("out": {"kind": "persist", "inputs": [")" + above +
         R"("], "to": {"file": {"path": "chain.out.jsonl"}}, "fields": ["a"]}}})";
}

class Pipeline {
 public:
  Pipeline(const std::string& folder, const Registry& registry, int nodes) {
    checked_ = CheckTopologyText(folder + "/chain.json", Chain(nodes), registry, {});
    if (!checked_.ok()) {
      for (const Fault& fault : checked_.faults) std::fprintf(stderr, "%s\n", fault.message.c_str());
      std::exit(1);
    }
    guards_ = std::make_unique<StageGuards>(*checked_.plan);
    auto worker = PlanWorker::Open(*checked_.plan, Clock::Real(), *guards_, cancel_);
    if (!worker.ok()) {
      std::fprintf(stderr, "%s\n", worker.status().message().c_str());
      std::exit(1);
    }
    worker_ = std::move(worker).value();
    table_.Find({"file:in", 0});
  }

  double NsPerRecord() {
    const double begin = WallSeconds();
    for (int i = 0; i < kBatches; ++i) {
      batch_.Clear(checked_.plan->columns.size(), checked_.plan->stages());
      batch_.partitions = &table_;
      for (uint32_t r = 0; r < kRows; ++r) batch_.AddRow(0, r, 0, {}, false, payload_);
      if (!worker_->Run(batch_, nullptr).ok()) std::exit(1);
    }
    return (WallSeconds() - begin) * 1e9 / (static_cast<double>(kRows) * kBatches);
  }

 private:
  CheckedTopology checked_;
  std::unique_ptr<StageGuards> guards_;
  CancelToken cancel_;
  std::unique_ptr<PlanWorker> worker_;
  SourceTable table_;
  RecordBatch batch_;
  const std::string payload_ = R"({"a": 12.25, "b": 0.5})";
};

int Main() {
  char folder[] = "/tmp/anabranch-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  std::ofstream(std::string(folder) + "/chain.jsonl") << "{}\n";
  Registry registry;
  RegisterAllNodes(registry);
  RegisterAllConnectors(registry);
  Pipeline one(folder, registry, 1);
  Pipeline ten(folder, registry, 10);
  one.NsPerRecord();
  ten.NsPerRecord();
  std::vector<double> per_node, short_chain;
  for (int i = 0; i < kRounds; ++i) {
    short_chain.push_back(one.NsPerRecord());
    per_node.push_back((ten.NsPerRecord() - short_chain.back()) / 9);
  }
  Report report;
  report.Value("chain of one node: decode, node, encode", SpreadOf(short_chain), "ns per record");
  report.AtMost("each extra arithmetic node", SpreadOf(per_node), "ns per record", 15);
  std::remove((std::string(folder) + "/chain.jsonl").c_str());
  std::remove(folder);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main() { return anabranch::bench::Main(); }
