#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "nodes/ensemble/members.h"
#include "nodes/ensemble/missing_watch.h"
#include "nodes/ensemble/votes.h"

namespace anabranch {
namespace {

using Output = EnsemblePlan::Output;
constexpr size_t kCauses = kCauseNames.size() - 1;  // without kPresent

class EnsembleNode : public Node {
 public:
  EnsembleNode(const std::shared_ptr<const EnsemblePlan>& plan, std::shared_ptr<MissingWatch> watch)
      : plan_(plan), watch_(std::move(watch)), members_(plan), votes_(plan, &members_), when_(plan->members.size()) {}

  Status Process(const NodeRun& run) override {
    members_.Gather(run);
    for (const EnsemblePlan::Made& made : plan_->made) run.batch.columns[made.id].Reset(made.type, run.batch.rows());
    RETURN_IF_ERROR(Watch(run));
    value_.assign(members_.rows(), 0);
    disagreement_.assign(members_.rows(), 0);
    switch (plan_->method) {
      case EnsembleMethod::kMean:
      case EnsembleMethod::kWeightedMean: WeightedMean(); break;
      case EnsembleMethod::kMedian: Median(); break;
      case EnsembleMethod::kMin: Extreme([](double a, double b) { return a < b; }); break;
      case EnsembleMethod::kMax: Extreme([](double a, double b) { return a > b; }); break;
      case EnsembleMethod::kGeometricMean: GeometricMean(run); break;
      case EnsembleMethod::kFirst:
      case EnsembleMethod::kSelect: Choose(run); break;
      case EnsembleMethod::kMajorityVote:
      case EnsembleMethod::kWeightedVote: votes_.Labels(run); break;
      case EnsembleMethod::kSoftVote: votes_.Vectors(run); break;
    }
    if (Numbers()) {
      FailNotFinite(run);
      if (plan_->Makes(Output::kDisagreement)) Deviation();
    }
    Write(run);
    return Status::Ok();
  }

 private:
  // The value is a number, computed or chosen.
  bool Numbers() const {
    if (IsChoice(plan_->method)) return plan_->member_type.kind == Kind::kFloat64;
    return !IsVote(plan_->method) && plan_->method != EnsembleMethod::kSoftVote;
  }

  // Counts who is missing and why, and reports members that are missing too often.
  Status Watch(const NodeRun& run) {
    const bool some = members_.some_missing();
    if (some) {
      std::vector<uint32_t>& tally = run.rows().tally;
      tally.assign(members_.size() * kCauses, 0);
      for (size_t m = 0; m < members_.size(); ++m) {
        for (uint32_t row = 0; row < members_.rows(); ++row) {
          if (run.active[row] && !members_.present(m, row)) {
            ++tally[m * kCauses + static_cast<size_t>(members_.cause(m, row)) - 1];
          }
        }
      }
    }
    std::string said = watch_->Note(members_.causes(), run.active, run.active_count, some);
    if (!said.empty() && plan_->missing_max.stops) return {Code::kStage, std::move(said)};
    run.rows().notice = std::move(said);
    return Status::Ok();
  }

  void FailNotFinite(const NodeRun& run) {
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      if (!members_.good()[row] || std::isfinite(value_[row])) continue;
      members_.Fail(run, row, "non_finite", "the ensemble's value is not finite");
    }
  }

  // ------------------------------------------------------------------ numbers

  void WeightedMean() {
    weights_.assign(members_.rows(), 0);
    for (size_t m = 0; m < members_.size(); ++m) {
      const double* weight = members_.WeightsOf(m).data();
      const double* numbers = members_.NumbersOf(m).data();
      const uint8_t* counts = members_.CountsOf(m).data();
      for (size_t row = 0; row < value_.size(); ++row) {
        value_[row] += counts[row] ? weight[row] * numbers[row] : 0.0;
        weights_[row] += counts[row] ? weight[row] : 0.0;
      }
    }
    for (size_t row = 0; row < value_.size(); ++row) value_[row] /= weights_[row];
  }

  template <typename Better>
  void Extreme(Better better) {
    seen_.assign(members_.rows(), 0);
    for (size_t m = 0; m < members_.size(); ++m) {
      const std::span<const double> numbers = members_.NumbersOf(m);
      const std::span<const uint8_t> counts = members_.CountsOf(m);
      for (size_t row = 0; row < value_.size(); ++row) {
        if (!counts[row] || (seen_[row] && !better(numbers[row], value_[row]))) continue;
        value_[row] = numbers[row];
        seen_[row] = 1;
      }
    }
  }

  void Median() {
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      if (!members_.good()[row]) continue;
      std::vector<double>& values = RowValues(row);
      std::ranges::sort(values);
      const size_t half = values.size() / 2;
      value_[row] = values.size() % 2 != 0 ? values[half] : values[half - 1] / 2 + values[half] / 2;
    }
  }

  void GeometricMean(const NodeRun& run) {
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      if (!members_.good()[row]) continue;
      double logs = 0, weights = 0;
      for (size_t m = 0; m < members_.size(); ++m) {
        const double weight = members_.weight(m, row);
        if (!members_.counts(m, row) || weight == 0) continue;
        if (members_.NumbersOf(m)[row] < 0) {
          members_.Fail(
              run, row, "negative",
              "member \"" + plan_->members[m].name + "\" is negative: a geometric mean needs numbers of at least 0");
          break;
        }
        logs += weight * std::log(members_.NumbersOf(m)[row]);  // log(0) is minus infinity, so the mean is 0
        weights += weight;
      }
      value_[row] = std::exp(logs / weights);
    }
  }

  void Deviation() {
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      if (!members_.good()[row]) continue;
      const std::vector<double>& values = RowValues(row);
      const auto count = static_cast<double>(values.size());
      double mean = 0;
      for (const double value : values) mean += value;
      mean /= count;
      double squares = 0;
      for (const double value : values) squares += (value - mean) * (value - mean);
      disagreement_[row] = std::sqrt(squares / count);
    }
  }

  std::vector<double>& RowValues(uint32_t row) {
    row_.clear();
    for (size_t m = 0; m < members_.size(); ++m) {
      if (members_.counts(m, row)) row_.push_back(members_.NumbersOf(m)[row]);
    }
    return row_;
  }

  // ------------------------------------------------------------------ one member

  void Choose(const NodeRun& run) {
    votes_.BeginRows();
    for (size_t m = 0; m < members_.size(); ++m) {
      const auto& when = plan_->members[m].when;
      if (!when) continue;
      when_[m].evaluator.Evaluate(*when, run.batch, members_.good(), &when_[m].result, &when_errors_);
      for (const ExpressionError& error : when_errors_) {
        members_.Fail(run, error.row, "expression",
                      "\"when\" of member \"" + plan_->members[m].name + "\": " + error.message);
      }
    }
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      if (!members_.good()[row]) continue;
      const size_t chosen = Chosen(row);
      if (Numbers()) {
        value_[row] = members_.NumbersOf(chosen)[row];
      } else {
        votes_.Take(run, row, chosen);
      }
    }
  }

  // The first present member whose condition is true, or else the first present member.
  size_t Chosen(uint32_t row) const {
    size_t first = members_.size();
    for (size_t m = 0; m < members_.size(); ++m) {
      if (!members_.present(m, row)) continue;
      if (first == members_.size()) first = m;
      if (Meant(m, row)) return m;
    }
    return first;
  }

  bool Meant(size_t m, uint32_t row) const {
    if (!plan_->members[m].when) return true;
    return when_[m].result.valid(row) && when_[m].result.values<uint8_t>()[row] != 0;
  }

  // ------------------------------------------------------------------ columns

  void Write(const NodeRun& run) {
    for (const EnsemblePlan::Made& made : plan_->made) {
      Column& column = run.batch.columns[made.id];
      switch (made.output) {
        case Output::kValue:
          if (Numbers()) std::ranges::copy(value_, column.values<double>().begin());
          break;
        case Output::kMembersUsed: std::ranges::copy(members_.used(), column.values<int64_t>().begin()); break;
        case Output::kDisagreement:
          std::ranges::copy(Numbers() ? std::span<const double>(disagreement_) : votes_.disagreement(),
                            column.values<double>().begin());
          break;
        case Output::kConfidence: std::ranges::copy(votes_.confidence(), column.values<double>().begin()); break;
        case Output::kMargin: std::ranges::copy(votes_.margin(), column.values<double>().begin()); break;
        case Output::kMissing: WriteMissing(false, &column); break;
        case Output::kMissingWhy: WriteMissing(true, &column); break;
        case Output::kProbabilities:
        case Output::kIndex: break;  // written by the vote
      }
      const std::span<uint8_t> states = column.states();
      for (size_t row = 0; row < states.size(); ++row) states[row] = members_.good()[row] ? kValid : kNull;
    }
  }

  void WriteMissing(bool why, Column* column) {
    for (uint32_t row = 0; row < members_.rows(); ++row) {
      for (size_t m = 0; m < members_.size() && members_.good()[row] && members_.used()[row] < members_.size(); ++m) {
        if (members_.present(m, row)) continue;
        const EnsembleMember& member = plan_->members[m];
        column->PushListValue<std::string_view>(why ? member.why[static_cast<size_t>(members_.cause(m, row))]
                                                    : member.name);
      }
      column->EndListRow();
    }
  }

  struct When {
    Evaluator evaluator;
    Column result;
  };

  const std::shared_ptr<const EnsemblePlan> plan_;
  const std::shared_ptr<MissingWatch> watch_;
  Members members_;
  Votes votes_;
  std::vector<When> when_;  // by member
  std::vector<ExpressionError> when_errors_;
  std::vector<double> value_;  // per row: the result of numbers
  std::vector<double> disagreement_;
  std::vector<double> weights_;
  std::vector<double> row_;  // the values of one row
  std::vector<uint8_t> seen_;
};

class EnsembleProgram : public NodeProgram {
 public:
  explicit EnsembleProgram(std::shared_ptr<const EnsemblePlan> plan)
      : plan_(std::move(plan)), watch_(std::make_shared<MissingWatch>(plan_)) {}
  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<EnsembleNode>(plan_, watch_));
  }
  std::vector<std::string> Tallies() const override {
    std::vector<std::string> names;
    for (const EnsembleMember& member : plan_->members) {
      for (size_t cause = 1; cause <= kCauses; ++cause) names.push_back("missing:" + member.why[cause]);
    }
    return names;
  }

 private:
  const std::shared_ptr<const EnsemblePlan> plan_;
  const std::shared_ptr<MissingWatch> watch_;  // of all threads of a run
};

}  // namespace

std::shared_ptr<const NodeProgram> MakeEnsembleProgram(std::shared_ptr<const EnsemblePlan> plan) {
  return std::make_shared<EnsembleProgram>(std::move(plan));
}

}  // namespace anabranch
