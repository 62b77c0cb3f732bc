// What an ensemble costs beyond its models: a topology with two models and an ensemble of them against the sum of what
// the two models cost in topologies of their own. What all of them do (decode, encode) is measured without a model and
// taken off each, so that it counts once:
//   ensemble/sum   (both models and the ensemble - none) ÷ ((first - none) + (second - none)) (goal: at most 1.10)
#include <cstdio>
#include <cstdlib>
#include <filesystem>
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

constexpr size_t kFeatures = 8;
constexpr int kBatches = 30;
constexpr int kTurns = 10;  // per round, so that the sides lie close together
constexpr int kRounds = 21;

std::string Features() {
  std::string names;
  for (size_t f = 0; f < kFeatures; ++f) names += (f == 0 ? "\"f" : ", \"f") + std::to_string(f) + "\"";
  return names;
}

std::string Infer(const std::string& id, const std::string& output) {
  return "\"" + id + R"(": {"kind": "infer", "inputs": ["all"], "model": ")" + id + R"(", "features": [)" + Features() +
         R"(], "outputs": {")" + output + R"(": "Y"}, "batch": {"max_rows": 256}},)";
}

// `nodes` stand between source and target. Every topology checks the schema, so that it decodes all fields, and writes
// the same one: they differ in their models only.
std::string Topology(const std::string& nodes, const std::string& last) {
  std::string properties;
  for (size_t f = 0; f < kFeatures; ++f) {
    properties += (f == 0 ? "\"f" : ", \"f") + std::to_string(f) + R"(": {"type": "number"})";
  }
  return R"({"anabranch": 1, "name": "ensemble", "delivery": "at_least_once",
    "models": {"a": {"path": "a.onnx"}, "b": {"path": "b.onnx"}},
    "schemas": {"r": {"type": "object", "properties": {)" +
         properties + R"(}}},
    "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "r", "key": "position"}}, "nodes": {
    "all": {"kind": "validate", "inputs": ["in"]},)" +
         nodes + R"("out": {"kind": "persist", "inputs": [")" + last +
         R"("], "to": {"file": {"path": "out.jsonl"}}, "fields": ["f0"]}}})";
}

std::vector<std::string> Records() {
  std::vector<std::string> records;
  for (size_t row = 0; row < Pipeline::kRows; ++row) {
    std::string text;
    for (size_t f = 0; f < kFeatures; ++f) {
      char number[48];
      const size_t seed = row * kFeatures + f;
      std::snprintf(number, sizeof number, R"(%s"f%zu":%.3f)", f == 0 ? "{" : ",", f,
                    static_cast<double>(seed * 2654435761U % 4000) / 1000 - 2);
      text += number;
    }
    records.push_back(text + "}");
  }
  return records;
}

// A folder with the files that the topologies name; gone at the end.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/anabranch-bench-XXXXXX";
    if (mkdtemp(name) == nullptr) std::exit(1);
    path_ = name;
    std::ofstream(path_ + "/in.jsonl") << "{}\n";
    for (const char* model : {"/a.onnx", "/b.onnx"}) {
      std::filesystem::copy_file(ANABRANCH_ROOT "/tests/models/mlp_8_64_64_1.onnx", path_ + model);
    }
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int Main() {
  const Folder folder;
  Registry registry;
  RegisterAllNodes(registry);
  RegisterAllConnectors(registry);
  RegisterAllFormats(registry);
  const std::vector<std::string> records = Records();
  const std::string combine = R"("both": {"kind": "ensemble", "inputs": ["a", "b"], "method": "weighted_mean",
    "members": {"y_a": 2, "y_b": 1}, "missing": "renormalise", "outputs": {"score": "value"}},)";
  const std::string a = Infer("a", "y_a");
  const std::string b = Infer("b", "y_b");
  Pipeline none(folder.path(), registry, Topology("", "all"), "in", records);
  Pipeline first(folder.path(), registry, Topology(a, "a"), "in", records);
  Pipeline second(folder.path(), registry, Topology(b, "b"), "in", records);
  Pipeline both(folder.path(), registry, Topology(a + b + combine, "both"), "in", records);
  std::vector<double> one_ns, both_ns, ratio;
  for (int round = -1; round < kRounds; ++round) {  // the first warms up
    double base = 0, apart = 0, together = 0;
    for (int turn = 0; turn < kTurns; ++turn) {
      base += none.NsPerRecord(kBatches) / kTurns;
      apart += (first.NsPerRecord(kBatches) + second.NsPerRecord(kBatches)) / kTurns;
      together += both.NsPerRecord(kBatches) / kTurns;
    }
    apart -= 2 * base;
    together -= base;
    if (round < 0) continue;
    one_ns.push_back(apart / 2);
    both_ns.push_back(together);
    ratio.push_back(together / apart);
  }
  Report report;
  report.Value("one model", SpreadOf(one_ns), "ns per record");
  report.Value("two models and their ensemble", SpreadOf(both_ns), "ns per record");
  report.AtMost("ensemble/sum", SpreadOf(ratio), "x", 1.10);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main() { return anabranch::bench::Main(); }
