// What one more arithmetic node costs: a chain of ten transforms minus a chain of one, the same records,
// whole plan worker (decode, nodes, JSON encode) without source and target I/O.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/pipeline.h"
#include "connectors/catalog.h"
#include "engine/formats/catalog.h"
#include "nodes/catalog.h"

namespace anabranch::bench {
namespace {

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

int Main() {
  char folder[] = "/tmp/anabranch-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  std::ofstream(std::string(folder) + "/chain.jsonl") << "{}\n";
  Registry registry;
  RegisterAllNodes(registry);
  RegisterAllConnectors(registry);
  RegisterAllFormats(registry);
  const std::vector<std::string> payloads = {R"({"a": 12.25, "b": 0.5})"};
  Pipeline one(folder, registry, Chain(1), "in", payloads);
  Pipeline ten(folder, registry, Chain(10), "in", payloads);
  one.NsPerRecord(kBatches);
  ten.NsPerRecord(kBatches);
  std::vector<double> per_node, short_chain;
  for (int i = 0; i < kRounds; ++i) {
    short_chain.push_back(one.NsPerRecord(kBatches));
    per_node.push_back((ten.NsPerRecord(kBatches) - short_chain.back()) / 9);
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
