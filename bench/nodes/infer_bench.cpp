// Model calls of an infer node, on one thread, with mlp_8_64_64_1.onnx and batches of 256 records:
//   infer_over_bare     time of the node over a bare loop of runtime calls with the same batch (goal: at most 1.15)
//   batched_over_single speed of the node over the same node fed with batches of one record (goal: at least 2.5)
// The sides alternate; ratios are medians over the rounds. Exit 1 when a goal is missed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/clock.h"
#include "engine/testing/node_runner.h"
#include "nodes/infer/infer.h"
#include "nodes/infer/model.h"

namespace anabranch {
namespace {

constexpr uint32_t kRows = 256;
constexpr size_t kFeatures = 8;
constexpr size_t kBatches = 16;  // that take turns, so that rows differ
constexpr int kRounds = 21;
constexpr int kTurns = 400;  // batches per round and side
constexpr const char* kFolder = ANABRANCH_ROOT "/tests/models";

[[noreturn]] void Give(const std::string& what) {
  std::fprintf(stderr, "infer_bench: %s\n", what.c_str());
  std::exit(1);
}

double Feature(size_t batch, size_t row, size_t feature) {
  const size_t seed = (batch * kRows + row) * kFeatures + feature;
  return static_cast<double>(seed * 2654435761U % 2000) / 500.0 - 2.0;
}

// The node with the batches that it works on in turn.
class NodeSide {
 public:
  explicit NodeSide(uint32_t rows) : rows_(rows) {
    for (size_t b = 0; b < kBatches; ++b) {
      auto& runner = runners_.emplace_back(std::make_unique<NodeRunner>());
      SetUp(b, runner.get());
    }
    auto opened = runners_[0]->program()->Open();
    if (!opened.ok()) Give(opened.status().message());
    node_ = std::move(opened).value();
  }

  int64_t Round(int turns) {
    const int64_t begin = Clock::Real().NowNs();
    for (int turn = 0; turn < turns; ++turn) {
      RecordBatch& batch = runners_[static_cast<size_t>(turn) % kBatches]->batch();
      const Status status = node_->Process({batch, 1, batch.stages[1].active, batch.rows(), INT64_MAX});
      if (!status.ok()) Give(status.message());
    }
    return Clock::Real().NowNs() - begin;
  }

 private:
  void SetUp(size_t b, NodeRunner* runner) {
    runner->SetBasePath(kFolder);
    runner->SetSection("models", "mlp", ConfigObject({{"path", "mlp_8_64_64_1.onnx"}}));
    ConfigValue features = ConfigList({});
    for (size_t f = 0; f < kFeatures; ++f) {
      runner->AddColumn("f" + std::to_string(f), Type::Scalar(Kind::kFloat64));
      features.children.push_back(ConfigItem("f" + std::to_string(f)).value);
    }
    if (!runner->Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                       {"model", "mlp"},
                                                       {"features", features},
                                                       {"outputs", ConfigObject({{"y", "Y"}})},
                                                       {"batch", ConfigObject({{"max_rows", 256}})}}))) {
      Give(runner->FaultText());
    }
    for (size_t f = 0; f < kFeatures; ++f) {
      std::vector<Cell> cells;
      for (size_t row = 0; row < rows_; ++row) cells.emplace_back(Feature(b, row, f));
      runner->Fill("f" + std::to_string(f), cells);
    }
    if (const Status status = runner->Run(); !status.ok()) Give(status.message());
  }

  const uint32_t rows_;
  std::vector<std::unique_ptr<NodeRunner>> runners_;
  std::unique_ptr<Node> node_;
};

// The runtime alone: matrices that are packed already, one tensor in, one out.
class BareSide {
 public:
  BareSide() {
    auto file = ReadModelFile(std::string(kFolder) + "/mlp_8_64_64_1.onnx");
    if (!file.ok()) Give(file.status().message());
    file_ = std::move(file).value();
    auto session = OnnxSession::Load(file_->bytes, true);
    if (!session.ok()) Give(session.status().message());
    session_ = std::move(session).value();
    for (size_t b = 0; b < kBatches; ++b) {
      std::vector<float>& matrix = matrices_.emplace_back();
      for (size_t row = 0; row < kRows; ++row) {
        for (size_t f = 0; f < kFeatures; ++f) matrix.push_back(static_cast<float>(Feature(b, row, f)));
      }
    }
    result_.resize(kRows);
  }

  int64_t Round(int turns) {
    const std::vector<int64_t> in_shape = {kRows, kFeatures};
    const std::vector<int64_t> out_shape = {kRows, 1};
    const std::vector<const char*> in_names = {"X"};
    const std::vector<const char*> out_names = {"Y"};
    const int64_t begin = Clock::Real().NowNs();
    for (int turn = 0; turn < turns; ++turn) {
      auto in = MakeTensorView(Element::kFloat32, matrices_[static_cast<size_t>(turn) % kBatches].data(), in_shape);
      auto out = MakeTensorView(Element::kFloat32, result_.data(), out_shape);
      const std::vector<const OrtValue*> inputs = {in->get()};
      std::vector<OrtValue*> outputs = {out->get()};
      const Status status = session_->Run(in_names, inputs, out_names, outputs);
      if (!status.ok()) Give(status.message());
    }
    return Clock::Real().NowNs() - begin;
  }

 private:
  std::shared_ptr<const ModelFile> file_;
  std::unique_ptr<OnnxSession> session_;
  std::vector<std::vector<float>> matrices_;
  std::vector<float> result_;
};

int Main() {
  BareSide bare;
  NodeSide batched(kRows);
  NodeSide single(1);
  std::vector<double> bare_ns;
  std::vector<double> batched_ns;
  std::vector<double> single_ns;
  std::vector<double> over_bare;
  std::vector<double> over_single;
  const double records = double{kRows} * kTurns;
  for (int round = -1; round < kRounds; ++round) {  // the first warms up
    const double a = static_cast<double>(bare.Round(kTurns)) / records;
    const double b = static_cast<double>(batched.Round(kTurns)) / records;
    const double c = static_cast<double>(single.Round(kTurns * 8)) / (kTurns * 8.0);
    if (round < 0) continue;
    bare_ns.push_back(a);
    batched_ns.push_back(b);
    single_ns.push_back(c);
    over_bare.push_back(b / a);
    over_single.push_back(c / b);
  }
  bench::Report report;
  report.Value("bare_runtime", bench::SpreadOf(bare_ns), "ns/record");
  report.Value("infer_batches_of_256", bench::SpreadOf(batched_ns), "ns/record");
  report.Value("infer_batches_of_1", bench::SpreadOf(single_ns), "ns/record");
  report.AtMost("infer_over_bare", bench::SpreadOf(over_bare), "ratio", 1.15);
  report.AtLeast("batched_over_single", bench::SpreadOf(over_single), "ratio", 2.5);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch

int main() { return anabranch::Main(); }
