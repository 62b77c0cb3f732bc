#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "nodes/ensemble/program.h"

namespace anabranch {
namespace {

using Output = EnsemblePlan::Output;

// Scratch memory of one node for one batch; one entry per row, or per member and row (member-major).
struct Work {
  uint32_t rows = 0;
  std::vector<uint8_t> present;  // per member and row: it has a value of its own
  std::vector<uint32_t> used;    // per row: how many have
  std::vector<double> numbers;   // per member and row; the default where it is missing
  std::vector<uint8_t> counts;   // per member and row: it takes part in the result
  std::vector<double> value;     // per row: the result of numbers
  std::vector<double> disagreement;
  std::vector<double> row;  // the values of one row

  std::span<uint8_t> PresentOf(size_t member) { return {present.data() + member * rows, rows}; }
  std::span<uint8_t> CountsOf(size_t member) { return {counts.data() + member * rows, rows}; }
  std::span<double> NumbersOf(size_t member) { return {numbers.data() + member * rows, rows}; }
};

template <typename T>
void ToNumbers(const Column& column, std::span<double> numbers, std::span<uint8_t> present) {
  const std::span<const T> values = column.values<T>();
  for (size_t row = 0; row < numbers.size(); ++row) {
    const auto number = static_cast<double>(values[row]);
    const bool is_there = (present[row] & static_cast<uint8_t>(number == number)) != 0;
    present[row] = is_there;
    numbers[row] = is_there ? number : 0;
  }
}

class EnsembleNode : public Node {
 public:
  explicit EnsembleNode(std::shared_ptr<const EnsemblePlan> plan)
      : plan_(std::move(plan)), members_(plan_->members.size()) {}

  Status Process(const NodeRun& run) override {
    Gather(run);
    good_.assign(run.active.begin(), run.active.end());
    FailIncomplete(run);
    for (const EnsemblePlan::Made& made : plan_->made) run.batch.columns[made.id].Reset(made.type, run.batch.rows());
    switch (plan_->method) {
      case EnsembleMethod::kMean:
      case EnsembleMethod::kWeightedMean: WeightedMean(); break;
      case EnsembleMethod::kMedian: Median(); break;
      case EnsembleMethod::kMin: Extreme([](double a, double b) { return a < b; }); break;
      case EnsembleMethod::kMax: Extreme([](double a, double b) { return a > b; }); break;
      case EnsembleMethod::kMajorityVote:
      case EnsembleMethod::kWeightedVote: Vote(run); break;
      case EnsembleMethod::kSoftVote: SoftVote(run); break;
    }
    if (!Labels()) {
      FailNotFinite(run);
      if (plan_->Makes(Output::kDisagreement)) Deviation();
    }
    Write(run);
    return Status::Ok();
  }

 private:
  bool Labels() const { return IsVote(plan_->method) || plan_->method == EnsembleMethod::kSoftVote; }

  // Which members have a value, which take part, and, of numbers, what they are.
  void Gather(const NodeRun& run) {
    work_.rows = run.batch.rows();
    const size_t cells = members_ * work_.rows;
    work_.present.resize(cells);
    work_.counts.resize(cells);
    work_.used.assign(work_.rows, 0);
    work_.value.assign(work_.rows, 0);
    work_.disagreement.assign(work_.rows, 0);
    if (!Labels()) work_.numbers.resize(cells);
    for (size_t m = 0; m < members_; ++m) GatherMember(run.batch.columns[plan_->members[m].id], m);
  }

  void GatherMember(const Column& column, size_t m) {
    const std::span<uint8_t> present = work_.PresentOf(m);
    const std::span<uint8_t> counts = work_.CountsOf(m);
    const std::span<const uint8_t> states = column.states();
    for (size_t row = 0; row < work_.rows; ++row) present[row] = states[row] & kValid;
    if (!Labels()) {
      const std::span<double> numbers = work_.NumbersOf(m);
      switch (column.type().kind) {
        case Kind::kFloat32: ToNumbers<float>(column, numbers, present); break;
        case Kind::kFloat64: ToNumbers<double>(column, numbers, present); break;
        default: ToNumbers<int64_t>(column, numbers, present); break;
      }
      if (plan_->missing == MissingPolicy::kDefault) {
        for (size_t row = 0; row < work_.rows; ++row) {
          if (!present[row]) numbers[row] = plan_->default_number;
        }
      }
    }
    for (size_t row = 0; row < work_.rows; ++row) work_.used[row] += present[row];
    if (plan_->missing == MissingPolicy::kDefault) {
      std::ranges::fill(counts, uint8_t{1});
    } else {
      std::ranges::copy(present, counts.begin());
    }
  }

  std::string MissingNames(uint32_t row) {
    std::string names;
    for (size_t m = 0; m < members_; ++m) {
      if (!work_.PresentOf(m)[row]) names += (names.empty() ? "\"" : ", \"") + plan_->members[m].name + "\"";
    }
    return names;
  }

  void FailIncomplete(const NodeRun& run) {
    const uint32_t enough = plan_->missing == MissingPolicy::kFail ? static_cast<uint32_t>(members_) : 1;
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row] || work_.used[row] >= enough) continue;
      good_[row] = 0;
      const bool none = work_.used[row] == 0;
      run.FailRow(
          row, "missing_member",
          none ? std::string("every member of the ensemble is missing") : "the ensemble misses " + MissingNames(row));
    }
  }

  void FailNotFinite(const NodeRun& run) {
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row] || std::isfinite(work_.value[row])) continue;
      good_[row] = 0;
      run.FailRow(row, "non_finite", "the ensemble's value is not finite");
    }
  }

  // ------------------------------------------------------------------ numbers

  void WeightedMean() {
    std::vector<double>& weights = work_.row;
    weights.assign(work_.rows, 0);
    for (size_t m = 0; m < members_; ++m) {
      const double weight = plan_->members[m].weight;
      const double* numbers = work_.NumbersOf(m).data();
      const uint8_t* counts = work_.CountsOf(m).data();
      for (size_t row = 0; row < work_.rows; ++row) {
        work_.value[row] += counts[row] ? weight * numbers[row] : 0.0;
        weights[row] += counts[row] ? weight : 0.0;
      }
    }
    for (size_t row = 0; row < work_.rows; ++row) work_.value[row] /= weights[row];
  }

  template <typename Better>
  void Extreme(Better better) {
    std::vector<uint8_t>& seen = seen_;
    seen.assign(work_.rows, 0);
    for (size_t m = 0; m < members_; ++m) {
      const std::span<const double> numbers = work_.NumbersOf(m);
      const std::span<const uint8_t> counts = work_.CountsOf(m);
      for (size_t row = 0; row < work_.rows; ++row) {
        if (!counts[row] || (seen[row] && !better(numbers[row], work_.value[row]))) continue;
        work_.value[row] = numbers[row];
        seen[row] = 1;
      }
    }
  }

  void Median() {
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row]) continue;
      std::vector<double>& values = RowValues(row);
      std::ranges::sort(values);
      const size_t half = values.size() / 2;
      work_.value[row] = values.size() % 2 != 0 ? values[half] : values[half - 1] / 2 + values[half] / 2;
    }
  }

  void Deviation() {
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row]) continue;
      const std::vector<double>& values = RowValues(row);
      const auto count = static_cast<double>(values.size());
      double mean = 0;
      for (const double value : values) mean += value;
      mean /= count;
      double squares = 0;
      for (const double value : values) squares += (value - mean) * (value - mean);
      work_.disagreement[row] = std::sqrt(squares / count);
    }
  }

  std::vector<double>& RowValues(uint32_t row) {
    work_.row.clear();
    for (size_t m = 0; m < members_; ++m) {
      if (work_.CountsOf(m)[row]) work_.row.push_back(work_.NumbersOf(m)[row]);
    }
    return work_.row;
  }

  // ------------------------------------------------------------------ votes

  void Vote(const NodeRun& run) {
    switch (plan_->member_type.kind) {
      case Kind::kString: VoteAs<std::string_view>(run, plan_->default_text); break;
      case Kind::kBool: VoteAs<uint8_t>(run, static_cast<uint8_t>(plan_->default_integer)); break;
      default: VoteAs<int64_t>(run, plan_->default_integer); break;
    }
  }

  template <typename Label>
  void VoteAs(const NodeRun& run, Label fallback) {
    std::vector<Label> labels(members_);
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row]) continue;
      for (size_t m = 0; m < members_; ++m) {
        labels[m] =
            work_.PresentOf(m)[row] ? run.batch.columns[plan_->members[m].id].template values<Label>()[row] : fallback;
      }
      const size_t winner = Winner(row, labels);
      for (const EnsemblePlan::Made& made : plan_->made) {
        if (made.output != Output::kValue) continue;
        Column& column = run.batch.columns[made.id];
        if constexpr (std::is_same_v<Label, std::string_view>) {
          column.values<Label>()[row] = column.text().Copy(labels[winner]);
        } else {
          column.values<Label>()[row] = labels[winner];
        }
      }
    }
  }

  // The member whose label has the most weight; the first of equals.
  template <typename Label>
  size_t Winner(uint32_t row, const std::vector<Label>& labels) {
    size_t winner = 0;
    double most = 0;
    double all = 0;
    for (size_t m = 0; m < members_; ++m) {
      if (!work_.CountsOf(m)[row]) continue;
      all += plan_->members[m].weight;
      double weight = 0;
      for (size_t other = 0; other < members_; ++other) {
        if (work_.CountsOf(other)[row] && labels[other] == labels[m]) weight += plan_->members[other].weight;
      }
      if (weight > most) {
        winner = m;
        most = weight;
      }
    }
    work_.disagreement[row] = 1 - most / all;
    return winner;
  }

  void SoftVote(const NodeRun& run) {
    const auto width = static_cast<size_t>(plan_->member_type.Elements());
    for (uint32_t row = 0; row < work_.rows; ++row) {
      if (!good_[row]) continue;
      work_.row.assign(width, 0);
      for (size_t m = 0; m < members_; ++m) {
        if (work_.CountsOf(m)[row]) AddVector(run.batch.columns[plan_->members[m].id], row, plan_->members[m].weight);
      }
      double all = 0;
      for (const double sum : work_.row) all += sum;
      if (!std::isfinite(all)) {
        good_[row] = 0;
        run.FailRow(row, "non_finite", "the ensemble's sums are not finite");
        continue;
      }
      const size_t winner = static_cast<size_t>(std::ranges::max_element(work_.row) - work_.row.begin());
      work_.disagreement[row] = all == 0 ? 0 : 1 - work_.row[winner] / all;
      for (const EnsemblePlan::Made& made : plan_->made) {
        if (made.output != Output::kValue) continue;
        run.batch.columns[made.id].values<int64_t>()[row] = static_cast<int64_t>(winner);
      }
    }
  }

  void AddVector(const Column& column, uint32_t row, double weight) {
    const size_t width = work_.row.size();
    for (size_t i = 0; i < width; ++i) {
      const size_t at = row * width + i;
      work_.row[i] +=
          weight * (column.type().element == Kind::kFloat32 ? static_cast<double>(column.values<float>()[at])
                                                            : column.values<double>()[at]);
    }
  }

  // ------------------------------------------------------------------ columns

  void Write(const NodeRun& run) {
    for (const EnsemblePlan::Made& made : plan_->made) {
      Column& column = run.batch.columns[made.id];
      switch (made.output) {
        case Output::kValue:
          if (!Labels()) std::ranges::copy(work_.value, column.values<double>().begin());
          break;
        case Output::kMembersUsed: std::ranges::copy(work_.used, column.values<int64_t>().begin()); break;
        case Output::kDisagreement: std::ranges::copy(work_.disagreement, column.values<double>().begin()); break;
        case Output::kMissing: WriteMissing(&column); break;
      }
      const std::span<uint8_t> states = column.states();
      for (size_t row = 0; row < work_.rows; ++row) states[row] = good_[row] ? kValid : kNull;
    }
  }

  void WriteMissing(Column* column) {
    for (uint32_t row = 0; row < work_.rows; ++row) {
      for (size_t m = 0; m < members_ && good_[row] && work_.used[row] < members_; ++m) {
        if (!work_.PresentOf(m)[row]) column->PushListValue<std::string_view>(plan_->members[m].name);
      }
      column->EndListRow();
    }
  }

  const std::shared_ptr<const EnsemblePlan> plan_;
  const size_t members_;
  Work work_;
  std::vector<uint8_t> good_;  // per row: active and with a result
  std::vector<uint8_t> seen_;
};

class EnsembleProgram : public NodeProgram {
 public:
  explicit EnsembleProgram(std::shared_ptr<const EnsemblePlan> plan) : plan_(std::move(plan)) {}
  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<EnsembleNode>(plan_));
  }

 private:
  const std::shared_ptr<const EnsemblePlan> plan_;
};

}  // namespace

std::shared_ptr<const NodeProgram> MakeEnsembleProgram(std::shared_ptr<const EnsemblePlan> plan) {
  return std::make_shared<EnsembleProgram>(std::move(plan));
}

}  // namespace anabranch
