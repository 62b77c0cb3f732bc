// Model calls of an infer node, on one thread, with mlp_8_64_64_1.onnx and batches of 256 records:
//   infer_over_bare     time of the node over a bare loop of runtime calls with the same batch (goal: at most 1.15)
//   batched_over_single speed of the node over the same node fed with batches of one record (goal: at least 2.5)
//   managed_over_fixed  speed of the same model as a version of a package over the node (goal: at least 0.98)
//   shadow_over_fixed   time of a shadow of all rows, which has the same model, over the node (goal: at most 1.10)
//   canary_over_fixed   time of a canary with 5 % of the keys over the node; of all keys, where two models
//                       score each row (goal: at most 2.50)
// The sides alternate, and the CPU time of the thread is compared: other programs disturb it less. Ratios are medians
// over the rounds. Exit 1 when a goal is missed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/generation_record.h"
#include "engine/managed_model.h"
#include "engine/models/package.h"
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

int64_t ThreadNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double Feature(size_t batch, size_t row, size_t feature) {
  const size_t seed = (batch * kRows + row) * kFeatures + feature;
  return static_cast<double>(seed * 2654435761U % 2000) / 500.0 - 2.0;
}

// A folder with the model as two packages, for as long as the program runs.
const std::string& Registry() {
  static const struct Folder {
    Folder() : path((std::filesystem::temp_directory_path() / "anabranch_bench_XXXXXX").string()) {
      if (mkdtemp(path.data()) == nullptr) Give("no folder " + path);
      for (const std::string version : {"1", "2"}) Pack(version);
    }
    void Pack(const std::string& version) const {
      const std::string package = path + "/mlp-" + version;
      std::filesystem::create_directory(package);
      std::filesystem::copy_file(std::string(kFolder) + "/mlp_8_64_64_1.onnx", package + "/model.onnx");
      std::ofstream(package + "/model.json") << R"({"anabranch_package": 1, "name": "mlp", "version": ")" << version
                                             << R"(", "features": ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"]})";
      if (const Status packed = PackFolder(package); !packed.ok()) Give(packed.message());
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::string path;
  } folder;
  return folder.path;
}

// The node with the batches that it works on in turn.
class NodeSide {
 public:
  explicit NodeSide(uint32_t rows) : NodeSide(rows, false, ArmRule::kOne, 0) {}
  // The model is a version of a package, in generation 1; with another rule than kOne there is a second version.
  NodeSide(uint32_t rows, ArmRule rule, double share) : NodeSide(rows, true, rule, share) {}
  NodeSide(uint32_t rows, bool managed, ArmRule rule, double share)
      : rows_(rows), managed_(managed), rule_(rule), share_(share) {
    for (size_t b = 0; b < kBatches; ++b) {
      auto& runner = runners_.emplace_back(std::make_unique<NodeRunner>());
      SetUp(b, runner.get());
    }
    if (managed_) Deploy();
    auto opened = runners_[0]->program()->Open();
    if (!opened.ok()) Give(opened.status().message());
    node_ = std::move(opened).value();
  }

  int64_t Round(int turns) {
    const int64_t begin = ThreadNs();
    for (int turn = 0; turn < turns; ++turn) {
      RecordBatch& batch = runners_[static_cast<size_t>(turn) % kBatches]->batch();
      const NodeRun run{batch, 1, batch.stages[1].active, batch.rows(), INT64_MAX};
      batch.stages[1].arms.clear();
      const Status status = rule_ == ArmRule::kShadow ? node_->AfterHandOver(run) : node_->Process(run);
      if (!status.ok()) Give(status.message());
    }
    return ThreadNs() - begin;
  }

 private:
  void Deploy() {
    ManagedModel& model = *runners_[0]->program()->managed();
    GenerationRecord record;
    record.model = "mlp";
    record.rule = rule_;
    record.share = share_;
    record.salt = 1;
    record.arms.push_back(Prepare("1", model));
    if (rule_ != ArmRule::kOne) record.arms.push_back(Prepare("2", model));
    model.Add(GenerationId(1), record);
    for (auto& runner : runners_) {
      RecordBatch& batch = runner->batch();
      batch.positions = {{batch.partition[0], 0, batch.rows(), {GenerationId(1), 0, GenerationId(0)}}};
    }
  }

  static GenerationRecord::Arm Prepare(const std::string& version, ManagedModel& model) {
    std::vector<PackageFault> faults;
    const std::string folder = Registry() + "/mlp-" + version;
    const auto package = ReadPackage(folder, "", &faults);
    if (package == nullptr) Give(faults[0].message);
    const Status prepared = model.Prepare({"mlp", version, package->manifest.digest, folder});
    if (!prepared.ok()) Give(prepared.message());
    return {version, package->manifest.digest};
  }

  void SetUp(size_t b, NodeRunner* runner) {
    runner->SetBasePath(managed_ ? Registry() : kFolder);
    runner->SetSection(
        "models", "mlp",
        managed_ ? ConfigObject({{"registry", "."}, {"start", "1"}}) : ConfigObject({{"path", "mlp_8_64_64_1.onnx"}}));
    ConfigValue features = ConfigList({});
    for (size_t f = 0; f < kFeatures; ++f) {
      runner->AddColumn("f" + std::to_string(f), Type::Scalar(Kind::kFloat64));
      features.children.push_back(ConfigItem("f" + std::to_string(f)).value);
    }
    if (!runner->Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                       {"model", "mlp"},
                                                       {"features", managed_ ? ConfigItem("package") : features},
                                                       {"outputs", ConfigObject({{"y", "Y"}})},
                                                       {"batch", ConfigObject({{"max_rows", 256}})}}))) {
      Give(runner->FaultText());
    }
    for (size_t row = 0; row < rows_; ++row) runner->AddRow({.key = "key-" + std::to_string(b * rows_ + row)});
    for (size_t f = 0; f < kFeatures; ++f) {
      std::vector<Cell> cells;
      for (size_t row = 0; row < rows_; ++row) cells.emplace_back(Feature(b, row, f));
      runner->Fill("f" + std::to_string(f), cells);
    }
    if (const Status status = runner->Run(); !status.ok()) Give(status.message());
  }

  const uint32_t rows_;
  const bool managed_;
  const ArmRule rule_;
  const double share_;
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
    auto session = OnnxSession::Load(**file_->bytes->Get(), true);
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
    const int64_t begin = ThreadNs();
    for (int turn = 0; turn < turns; ++turn) {
      auto in = MakeTensorView(Element::kFloat32, matrices_[static_cast<size_t>(turn) % kBatches].data(), in_shape);
      auto out = MakeTensorView(Element::kFloat32, result_.data(), out_shape);
      const std::vector<const OrtValue*> inputs = {in->get()};
      std::vector<OrtValue*> outputs = {out->get()};
      const Status status = session_->Run(in_names, inputs, out_names, outputs);
      if (!status.ok()) Give(status.message());
    }
    return ThreadNs() - begin;
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
  NodeSide managed(kRows, ArmRule::kOne, 0);
  NodeSide shadow(kRows, ArmRule::kShadow, 1);
  NodeSide canary(kRows, ArmRule::kCanary, 0.05);
  NodeSide canary_of_all(kRows, ArmRule::kCanary, 1);
  std::vector<double> bare_ns;
  std::vector<double> batched_ns;
  std::vector<double> single_ns;
  std::vector<double> over_bare;
  std::vector<double> over_single;
  std::vector<double> over_fixed;
  std::vector<double> shadow_over;
  std::vector<double> canary_over;
  std::vector<double> canary_of_all_over;
  const double records = double{kRows} * kTurns;
  for (int round = -1; round < kRounds; ++round) {  // the first warms up
    const double a = static_cast<double>(bare.Round(kTurns)) / records;
    const double b = static_cast<double>(batched.Round(kTurns)) / records;
    const double m = static_cast<double>(managed.Round(kTurns)) / records;
    const double s = static_cast<double>(shadow.Round(kTurns)) / records;
    const double k = static_cast<double>(canary.Round(kTurns)) / records;
    const double d = static_cast<double>(canary_of_all.Round(kTurns)) / records;
    const double c = static_cast<double>(single.Round(kTurns * 8)) / (kTurns * 8.0);
    if (round < 0) continue;
    bare_ns.push_back(a);
    batched_ns.push_back(b);
    single_ns.push_back(c);
    over_bare.push_back(b / a);
    over_single.push_back(c / b);
    over_fixed.push_back(b / m);
    shadow_over.push_back(s / b);
    canary_over.push_back(k / b);
    canary_of_all_over.push_back(d / b);
  }
  bench::Report report;
  report.Value("bare_runtime", bench::SpreadOf(bare_ns), "ns/record");
  report.Value("infer_batches_of_256", bench::SpreadOf(batched_ns), "ns/record");
  report.Value("infer_batches_of_1", bench::SpreadOf(single_ns), "ns/record");
  report.AtMost("infer_over_bare", bench::SpreadOf(over_bare), "ratio", 1.15);
  report.AtLeast("batched_over_single", bench::SpreadOf(over_single), "ratio", 2.5);
  report.AtLeast("managed_over_fixed", bench::SpreadOf(over_fixed), "ratio", 0.98);
  report.AtMost("shadow_over_fixed", bench::SpreadOf(shadow_over), "ratio", 1.10);
  report.Value("canary_of_5_percent_over_fixed", bench::SpreadOf(canary_over), "ratio");
  report.AtMost("canary_of_all_over_fixed", bench::SpreadOf(canary_of_all_over), "ratio", 2.5);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch

int main() { return anabranch::Main(); }
