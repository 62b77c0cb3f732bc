#include "nodes/infer/gate.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/printable.h"
#include "engine/text/json_literals.h"
#include "nodes/infer/gate_metrics.h"
#include "nodes/infer/gate_rows.h"
#include "nodes/infer/gate_scorer.h"
#include "nodes/infer/model.h"
#include "nodes/infer/onnx_file.h"
#include "nodes/infer/read_file.h"
#include "nodes/infer/version_table.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAlwaysSet = "tests/always.jsonl";
constexpr const char* kConfidenceSet = "tests/confidence.jsonl";
constexpr size_t kMostRowFaults = 10;

std::string NumberText(double number) {
  std::string text;
  AppendJsonNumber(&text, number);
  return text;
}

// Memory of this process that lies in RAM.
int64_t ResidentBytes() {
  long long total = 0;
  long long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%lld %lld", &total, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

class GateRun {
 public:
  GateRun(const ModelPackage& package, std::vector<PackageFault>* faults, std::map<std::string, std::string>* measured)
      : package_(package), manifest_(package.manifest), faults_(*faults), measured_(*measured) {}

  void Run() {
    if (!LoadOnnxLibrary().ok()) return Add("model", "", LoadOnnxLibrary().status().message());
    const int64_t before = ResidentBytes();
    always_ = ReadGateRows(package_, kAlwaysSet, &faults_);
    confidence_ = ReadGateRows(package_, kConfidenceSet, &faults_);
    if (!CheckDataFiles() || !Load()) return;
    scorer_ = GateScorer::Bind(package_, signature_.inputs.size() > 1, References(), &faults_);
    if (scorer_ == nullptr || !Open()) return;
    if (!manifest_.decision.empty()) CompileDecision();
    const bool empty = always_.empty() && (manifest_.always_tolerance || Lists(kAlwaysSet));
    if (empty)
      Add("always_empty", kAlwaysSet, "the always-set has no row, so it proves nothing; add rows or remove it");
    if (!always_.empty()) CheckAlways();
    if (manifest_.confidence && faults_.empty()) CheckConfidence(*manifest_.confidence);
    if (faults_.empty()) CheckLimits(before);
  }

 private:
  void Add(const std::string& code, const std::string& file, const std::string& message) {
    faults_.push_back({code, file, message});
  }
  bool Lists(const std::string& path) const {
    return std::ranges::count(manifest_.files, path, &PackageFile::path) != 0;
  }

  // Before the model is read: its data files must be files of the package.
  bool CheckDataFiles() {
    const auto bytes = ReadWholeFile(package_.folder + "/model.onnx");
    const auto facts = bytes.ok() ? ReadOnnxFileFacts(*bytes) : Result<OnnxFileFacts>(bytes.status());
    if (!facts.ok()) return true;  // reported when it is loaded
    std::set<std::string> missing;
    for (const ExternalTensor& tensor : facts->external) {
      if (!Lists(tensor.location)) missing.insert(tensor.location);
    }
    for (const std::string& location : missing) {
      Add("external_data", "model.onnx",
          "the model keeps weights in \"" + Printable(location, 256) +
              "\", which is not a file of the package: put it " + "beside model.onnx under this name and pack again");
    }
    return missing.empty();
  }

  bool Load() {
    auto model = ReadModelFile(package_.folder + "/model.onnx");
    if (model.ok()) {
      signature_ = (*model)->signature;  // and not its bytes: the scorer has them
      return true;
    }
    const std::string& why = model.status().message();
    const bool opset = why.find("opset") != std::string::npos || why.find("IR version") != std::string::npos;
    Add(opset ? "opset" : "model", "model.onnx", why);
    return false;
  }

  // Every whole output that a column can hold, and the parts that the sets name.
  std::vector<std::string> References() {
    std::set<std::string> references;
    for (const GateRow& row : always_) {
      if (!row.json->contains("expect") || !(*row.json)["expect"].is_object() || (*row.json)["expect"].empty()) {
        if (faults_.size() < kMostRowFaults)
          Add("test_row", row.place, "the row has no object \"expect\" that names outputs");
        continue;
      }
      for (const auto& item : (*row.json)["expect"].items()) references.insert(Numbered(item.key()));
    }
    if (manifest_.confidence && !manifest_.confidence->output.empty())
      references.insert(Numbered(manifest_.confidence->output));
    for (const ValueInfo& output : signature_.outputs) {
      const bool map = output.form == ValueInfo::Form::kMaps && !output.classes.empty();
      const bool free = output.shape.empty() || std::ranges::any_of(output.shape.begin() + 1, output.shape.end(),
                                                                    [](int64_t d) { return d < 0; });
      const bool tensor = output.form == ValueInfo::Form::kTensor && output.element != Element::kOther && !free &&
                          (output.element != Element::kString || output.shape.size() == 1);
      if (map || tensor) references.insert(output.name);
    }
    return {references.begin(), references.end()};
  }

  bool Open() {
    const Status status = scorer_->Open();
    if (status.ok()) return true;
    const bool hangs = status.message().find("did not end within") != std::string::npos;
    Add(hangs ? "hangs" : "model", "model.onnx", status.message());
    return false;
  }

  void CheckAlways() {
    if (!faults_.empty()) return;
    const double tolerance = manifest_.always_tolerance.value_or(0);
    scorer_->Score(always_, "always", &faults_);
    if (!faults_.empty()) return Shorten();
    double worst = 0;
    for (uint32_t row = 0; row < always_.size(); ++row) {
      for (const auto& item : (*always_[row].json)["expect"].items()) {
        const Json got = GateCell(*scorer_->column(Numbered(item.key())), row);
        const double difference = Difference(item.value(), got);
        if (difference <= tolerance) {
          worst = std::max(worst, difference);
          continue;
        }
        Add("always", always_[row].place,
            "\"" + Printable(item.key()) + "\" is " + Printable(got.dump(), 120) + ", not " +
                Printable(item.value().dump(), 120) + "; the tolerance is " + NumberText(tolerance));
      }
    }
    Shorten();
    measured_["always"] = std::to_string(always_.size()) + " rows, largest difference " + NumberText(worst);
  }

  // 0 for equal values. Of numbers: |a - b| / max(1, |a|); infinite where the values cannot be compared.
  static double Difference(const Json& wanted, const Json& got) {
    if (wanted.is_number() && got.is_number()) {
      const double a = wanted.get<double>();
      const double b = got.get<double>();
      return std::isfinite(a) && std::isfinite(b) ? std::abs(a - b) / std::max(1.0, std::abs(a)) : INFINITY;
    }
    if (!wanted.is_array() || !got.is_array() || wanted.size() != got.size()) return wanted == got ? 0 : INFINITY;
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, Difference(wanted[i], got[i]));
    return worst;
  }

  // Many rows fail for one reason; a few show it.
  void Shorten() {
    if (faults_.size() <= kMostRowFaults) return;
    const size_t more = faults_.size() - kMostRowFaults;
    faults_.resize(kMostRowFaults);
    faults_.back().message += " (and " + std::to_string(more) + " more faults of rows)";
  }

  // ------------------------------------------------------------------ confidence

  void CheckConfidence(const PackageManifest::ConfidenceGate& gate) {
    scorer_->Score(confidence_, "confidence", &faults_);
    if (!faults_.empty()) return Shorten();
    std::vector<double> truth;
    std::vector<double> guess;
    for (const GateRow& row : confidence_) {
      if (!row.json->contains(gate.label) || (*row.json)[gate.label].is_structured() ||
          (*row.json)[gate.label].is_null()) {
        Add("test_row", row.place, "the row has no value \"" + Printable(gate.label) + "\", the label");
      }
    }
    if (!faults_.empty()) return Shorten();
    if (!ReadGuesses(gate, &truth, &guess)) return;
    const std::optional<double> value = ComputeGateMetric(gate.metric, {truth, guess});
    if (!value) {
      return Add("confidence_undefined", kConfidenceSet,
                 gate.metric + " is undefined for the " + std::to_string(confidence_.size()) +
                     " rows of the set: add rows of every class");
    }
    const std::string shown =
        gate.metric + " is " + NumberText(*value) + " over " + std::to_string(confidence_.size()) + " rows";
    measured_["confidence"] = shown;
    if (gate.min && *value < *gate.min) {
      Add("confidence_low", kConfidenceSet,
          shown + "; at least " + NumberText(*gate.min) + " is demanded: train again");
    }
    if (gate.max && *value > *gate.max) {
      Add("confidence_high", kConfidenceSet,
          shown + "; above " + NumberText(*gate.max) +
              " it is too good: look for the label among the features, or for "
              "rows of the training set");
    }
  }

  bool ReadGuesses(const PackageManifest::ConfidenceGate& gate, std::vector<double>* truth,
                   std::vector<double>* guess) {
    const bool number = gate.metric == "rmse" || gate.metric == "mae";
    const bool probability = gate.metric == "auc" || gate.metric == "log_loss" || gate.metric == "brier";
    if (!number && !probability) return ReadDecisions(gate, truth, guess);
    const std::function<std::optional<double>(uint32_t)> value = ValueOf(gate, probability);
    for (uint32_t row = 0; row < confidence_.size(); ++row) {
      const Json& label = (*confidence_[row].json)[gate.label];
      const std::optional<double> found = value ? value(row) : std::nullopt;
      if (!found) {
        Add("manifest", "model.json",
            "\"gate.confidence\" needs an \"output\" that is one number per row, as "
            "\"probabilities[1]\", for the metric " +
                gate.metric);
        return false;
      }
      if (number && !label.is_number()) {
        Add("test_row", confidence_[row].place, "the label is " + label.dump() + ", not a number");
        return false;
      }
      truth->push_back(number ? label.get<double>() : IsPositive(gate, label));
      guess->push_back(*found);
    }
    return true;
  }

  // What a probability or a number is read from: the named output, or the one that holds the positive class, or the
  // first number.
  std::function<std::optional<double>(uint32_t)> ValueOf(const PackageManifest::ConfidenceGate& gate,
                                                         bool probability) {
    const auto cell = [](const Column* column, size_t at) {
      return [column, at](uint32_t row) -> std::optional<double> {
        const Json value = GateCell(*column, row);
        const Json& number = value.is_array() ? (at < value.size() ? value[at] : value) : value;
        return number.is_number() ? std::optional<double>(number.get<double>()) : std::nullopt;
      };
    };
    if (!gate.output.empty()) {
      const Column* column = scorer_->column(Numbered(gate.output));
      if (!column->type().IsScalar()) return nullptr;
      return cell(column, 0);
    }
    for (const VisibleColumn& made : scorer_->scope().columns()) {
      if (made.type.IsScalar() != !probability) continue;
      if (!probability && made.type.IsNumeric()) return cell(scorer_->column(made.name), 0);
      const std::vector<std::string> classes = Classes(made.name);
      const auto found = std::ranges::find(classes, gate.positive.empty() ? std::string("1") : gate.positive);
      if (probability && found != classes.end()) {
        return cell(scorer_->column(made.name), static_cast<size_t>(found - classes.begin()));
      }
    }
    return nullptr;
  }

  std::vector<std::string> Classes(const std::string& output) const {
    for (const ValueInfo& info : signature_.outputs) {
      if (info.name == output && !info.classes.empty()) return info.classes;
    }
    for (const PackageManifest::Output& declared : manifest_.outputs) {
      if (declared.name == output) return declared.classes;
    }
    return {};
  }

  static std::string LabelText(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_float() && value.get<double>() == std::floor(value.get<double>())) {
      return std::to_string(static_cast<int64_t>(value.get<double>()));
    }
    return value.dump();
  }
  static double IsPositive(const PackageManifest::ConfidenceGate& gate, const Json& label) {
    const std::string text = LabelText(label);
    return gate.positive.empty() ? (text == "1" || text == "true" ? 1 : 0) : (text == gate.positive ? 1 : 0);
  }

  // Labels and what the model decides: its decision, or its first output that is one value per row. For accuracy the
  // classes are numbered, so that more than two can be right or wrong.
  bool ReadDecisions(const PackageManifest::ConfidenceGate& gate, std::vector<double>* truth,
                     std::vector<double>* guess) {
    if (!manifest_.decision.empty() && gate.output.empty()) return ReadDecision(gate, truth, guess);
    const Column* column = gate.output.empty() ? nullptr : scorer_->column(Numbered(gate.output));
    for (const VisibleColumn& made : scorer_->scope().columns()) {
      const bool label =
          made.type.kind == Kind::kString || made.type.kind == Kind::kInt64 || made.type.kind == Kind::kBool;
      if (column == nullptr && gate.output.empty() && label) column = scorer_->column(made.name);
    }
    if (column == nullptr || !column->type().IsScalar()) {
      Add("manifest", "model.json",
          "\"gate.confidence\" needs an \"output\" that is a label, or the manifest a \"decision\", for the metric " +
              gate.metric);
      return false;
    }
    std::map<std::string, double> numbers;
    const bool two = gate.metric != "accuracy";
    for (uint32_t row = 0; row < confidence_.size(); ++row) {
      const Json& label = (*confidence_[row].json)[gate.label];
      const Json said = GateCell(*column, row);
      const auto number = [&](const Json& value) {
        if (two) return IsPositive(gate, value);
        return numbers.emplace(LabelText(value), static_cast<double>(numbers.size())).first->second;
      };
      truth->push_back(number(label));
      guess->push_back(number(said));
    }
    return true;
  }

  // Null, with a fault, when it is no condition over the outputs.
  std::shared_ptr<const Expression> CompileDecision() {
    const CompiledExpression compiled = CompileExpression(WithNumbers(manifest_.decision), scorer_->scope());
    if (compiled.expression && compiled.expression->type == Type::Scalar(Kind::kBool)) return compiled.expression;
    const std::string why = compiled.faults.empty() ? "it is not true or false" : compiled.faults[0].message;
    Add("manifest", "model.json", "\"decision\": " + why);
    return nullptr;
  }

  bool ReadDecision(const PackageManifest::ConfidenceGate& gate, std::vector<double>* truth,
                    std::vector<double>* guess) {
    const auto decision = CompileDecision();
    if (decision == nullptr) return false;
    Column decided;
    std::vector<ExpressionError> errors;
    Evaluator evaluator;
    evaluator.Evaluate(*decision, scorer_->batch(), std::vector<uint8_t>(confidence_.size(), 1), &decided, &errors);
    for (uint32_t row = 0; row < confidence_.size(); ++row) {
      truth->push_back(IsPositive(gate, (*confidence_[row].json)[gate.label]));
      guess->push_back(decided.valid(row) && decided.values<uint8_t>()[row] != 0 ? 1 : 0);
    }
    return true;
  }

  // "probabilities['fraud'] > 0.4" with the class's place: expressions index by number.
  std::string WithNumbers(std::string text) const {
    for (const VisibleColumn& made : scorer_->scope().columns()) text = Numbered(std::move(text), made.name);
    return text;
  }

  // The same of a part of an output that is a tensor; maps are read by class.
  std::string Numbered(std::string reference) const {
    for (const ValueInfo& output : signature_.outputs) {
      if (output.form == ValueInfo::Form::kTensor) reference = Numbered(std::move(reference), output.name);
    }
    return reference;
  }

  std::string Numbered(std::string text, const std::string& output) const {
    return WithClassNumbers(std::move(text), output, Classes(output));
  }

  // ------------------------------------------------------------------ limits

  void CheckLimits(int64_t resident_before) {
    const bool own = !always_.empty() || !confidence_.empty();
    if (!own && manifest_.latency_us_per_row) {
      return Add(
          "latency", "model.json",
          "\"limits.latency_us_per_row\" cannot be compared: give rows in tests/always.jsonl, to call the model with");
    }
    // Without rows of its own the package is measured with rows of nulls, which a model may not take.
    if (!own) always_.resize(1, {"", EmptyRow()});
    std::vector<GateRow> rows = always_;
    rows.insert(rows.end(), confidence_.begin(), confidence_.end());
    const size_t given = rows.size();
    while (rows.size() < 256) rows.push_back(rows[rows.size() % given]);
    rows.resize(256);
    std::vector<PackageFault> unscored;
    scorer_->Score(rows, "always", &unscored);
    const double micros = unscored.empty() ? scorer_->MeasureRowMicros() : -1;
    GiveMemoryBack();  // of what was read to look at it
    const int64_t bytes = std::max<int64_t>(ResidentBytes() - resident_before, 0);
    if (micros >= 0) measured_["latency_us_per_row"] = NumberText(std::round(micros * 1000) / 1000);
    measured_["memory_bytes"] = std::to_string(bytes);
    if (manifest_.latency_us_per_row && micros < 0) {
      Add("latency", "model.json",
          "\"limits.latency_us_per_row\" cannot be compared: " +
              (unscored.empty() ? std::string("the rows cannot be scored again")
                                : unscored[0].file + " is not scored: " + unscored[0].message));
    }
    if (manifest_.latency_us_per_row && micros > *manifest_.latency_us_per_row) {
      Add("latency", "model.json",
          "a row takes " + NumberText(std::round(micros * 10) / 10) +
              " µs of CPU time in calls of 256 rows; "
              "\"limits.latency_us_per_row\" is " +
              NumberText(*manifest_.latency_us_per_row));
    }
    if (manifest_.memory_bytes && bytes > *manifest_.memory_bytes) {
      Add("memory", "model.json",
          "the loaded model takes " + std::to_string(bytes) + " bytes; \"limits.memory_bytes\" is " +
              std::to_string(*manifest_.memory_bytes));
    }
  }

  static std::shared_ptr<const Json> EmptyRow() { return std::make_shared<Json>(Json{{"inputs", Json::object()}}); }

  const ModelPackage& package_;
  const PackageManifest& manifest_;
  std::vector<PackageFault>& faults_;
  std::map<std::string, std::string>& measured_;
  ModelSignature signature_;
  std::vector<GateRow> always_, confidence_;
  std::unique_ptr<GateScorer> scorer_;
};

}  // namespace

std::vector<PackageFault> RunGates(const ModelPackage& package, std::map<std::string, std::string>* measured) {
  std::vector<PackageFault> faults;
  std::map<std::string, std::string> unused;
  try {
    GateRun(package, &faults, measured == nullptr ? &unused : measured).Run();
  } catch (const std::exception& error) {
    faults.push_back({"model", "model.onnx", std::string("the gates failed: ") + error.what()});
  }
  return faults;
}

}  // namespace anabranch
