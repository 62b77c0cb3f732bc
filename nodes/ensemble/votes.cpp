#include "nodes/ensemble/votes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace anabranch {

using Output = EnsemblePlan::Output;

void Votes::BeginRows() {
  confidence_.assign(members_.rows(), 0);
  margin_.assign(members_.rows(), 0);
  disagreement_.assign(members_.rows(), 0);
}

// ---------------------------------------------------------------------- labels

void Votes::Labels(const NodeRun& run) {
  BeginRows();
  switch (plan_->member_type.kind) {
    case Kind::kString: return LabelsAs<std::string_view>(run, plan_->default_text);
    case Kind::kBool: return LabelsAs<uint8_t>(run, static_cast<uint8_t>(plan_->default_integer));
    default: return LabelsAs<int64_t>(run, plan_->default_integer);
  }
}

template <typename Label>
void Votes::LabelsAs(const NodeRun& run, Label fallback) {
  std::vector<Label> labels(members_.size());
  for (uint32_t row = 0; row < members_.rows(); ++row) {
    if (!members_.good()[row]) continue;
    ReadLabels(run, row, fallback, &labels);
    size_t winner = 0;
    if (Decide(run, row, labels, &winner)) WriteLabel(run, row, labels[winner]);
  }
}

template <typename Label>
void Votes::ReadLabels(const NodeRun& run, uint32_t row, Label fallback, std::vector<Label>* labels) const {
  for (size_t m = 0; m < members_.size(); ++m) {
    (*labels)[m] = fallback;
    if (!members_.present(m, row)) continue;
    (*labels)[m] = run.batch.columns[plan_->members[m].id].template values<Label>()[row];
  }
}

// The member whose label has the most weight. Weights of a label are added in the order of the members.
template <typename Label>
bool Votes::Decide(const NodeRun& run, uint32_t row, const std::vector<Label>& labels, size_t* winner) {
  row_.assign(members_.size(), 0);  // the weight of each member's label
  double most = 0, all = 0;
  for (size_t m = 0; m < members_.size(); ++m) {
    if (!members_.counts(m, row)) continue;
    all += members_.weight(m, row);
    for (size_t other = 0; other < members_.size(); ++other) {
      if (members_.counts(other, row) && labels[other] == labels[m]) row_[m] += members_.weight(other, row);
    }
    const bool lower = plan_->tie == TieRule::kLowest && row_[m] == most && labels[m] < labels[*winner];
    if (row_[m] > most || (most > 0 && lower)) *winner = m;
    most = std::max(most, row_[m]);
  }
  double second = 0;
  for (size_t m = 0; m < members_.size(); ++m) {
    if (members_.counts(m, row) && labels[m] != labels[*winner]) second = std::max(second, row_[m]);
  }
  if (plan_->tie == TieRule::kFail && second == most) {
    members_.Fail(run, row, "tie", "two labels have the same weight");
    return false;
  }
  confidence_[row] = most / all;
  margin_[row] = (most - second) / all;
  disagreement_[row] = 1 - most / all;
  return true;
}

void Votes::Take(const NodeRun& run, uint32_t row, size_t chosen) {
  switch (plan_->member_type.kind) {
    case Kind::kString: return TakeAs<std::string_view>(run, row, chosen);
    case Kind::kBool: return TakeAs<uint8_t>(run, row, chosen);
    default: return TakeAs<int64_t>(run, row, chosen);
  }
}

template <typename Label>
void Votes::TakeAs(const NodeRun& run, uint32_t row, size_t chosen) {
  const auto label = [&](size_t m) { return run.batch.columns[plan_->members[m].id].template values<Label>()[row]; };
  size_t same = 0;
  for (size_t m = 0; m < members_.size(); ++m) same += members_.present(m, row) && label(m) == label(chosen) ? 1 : 0;
  disagreement_[row] = 1 - static_cast<double>(same) / members_.used()[row];
  WriteLabel(run, row, label(chosen));
}

template <typename Label>
void Votes::WriteLabel(const NodeRun& run, uint32_t row, Label label) {
  for (const EnsemblePlan::Made& made : plan_->made) {
    if (made.output != Output::kValue) continue;
    Column& column = run.batch.columns[made.id];
    if constexpr (std::is_same_v<Label, std::string_view>) label = column.text().Copy(label);
    column.values<Label>()[row] = label;
  }
}

// --------------------------------------------------------------------- vectors

void Votes::Vectors(const NodeRun& run) {
  BeginRows();
  for (uint32_t row = 0; row < members_.rows(); ++row) {
    if (members_.good()[row] && Pool(run, row)) DecideVector(run, row);
  }
}

double Votes::At(const RecordBatch& batch, size_t member, uint32_t row, size_t place) const {
  const EnsembleMember& at = plan_->members[member];
  const Column& column = batch.columns[at.id];
  const size_t index = row * row_.size() + (at.order.empty() ? place : at.order[place]);
  return column.type().element == Kind::kFloat32 ? static_cast<double>(column.values<float>()[index])
                                                 : column.values<double>()[index];
}

// Fills row_ with one vector made of all.
bool Votes::Pool(const NodeRun& run, uint32_t row) {
  row_.assign(static_cast<size_t>(plan_->member_type.Elements()), 0);
  double weights = 0;
  for (size_t m = 0; m < members_.size(); ++m) {
    if (members_.counts(m, row)) weights += members_.weight(m, row);
  }
  if (plan_->log_pool) return PoolLogs(run, row, weights);
  for (size_t m = 0; m < members_.size(); ++m) {
    if (!members_.counts(m, row)) continue;
    for (size_t i = 0; i < row_.size(); ++i) row_[i] += members_.weight(m, row) * At(run.batch, m, row, i);
  }
  for (double& value : row_) value /= weights;
  if (std::ranges::all_of(row_, [](double value) { return std::isfinite(value); })) return true;
  members_.Fail(run, row, "non_finite", "the means of the ensemble are not finite");
  return false;
}

// The product of the members' probabilities, each to the power of its share of the weight, made to sum to 1.
bool Votes::PoolLogs(const NodeRun& run, uint32_t row, double weights) {
  for (size_t m = 0; m < members_.size(); ++m) {
    const double weight = members_.weight(m, row) / weights;
    if (!members_.counts(m, row) || weight == 0) continue;
    for (size_t i = 0; i < row_.size(); ++i) {
      const double value = At(run.batch, m, row, i);
      if (value < 0) {
        members_.Fail(run, row, "negative", "member \"" + plan_->members[m].name + "\" has a negative probability");
        return false;
      }
      row_[i] += weight * std::log(value);
    }
  }
  const double most = *std::ranges::max_element(row_);
  if (!std::isfinite(most)) {
    const bool zero = most < 0;
    members_.Fail(run, row, "non_finite",
                  zero ? "every class has the probability 0 in some member" : "a logarithm is not finite");
    return false;
  }
  double sum = 0;
  for (double& value : row_) sum += value = std::exp(value - most);
  for (double& value : row_) value /= sum;
  return true;
}

void Votes::DecideVector(const NodeRun& run, uint32_t row) {
  const auto winner = static_cast<size_t>(std::ranges::max_element(row_) - row_.begin());
  double sum = 0, second = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < row_.size(); ++i) {
    sum += row_[i];
    if (i != winner) second = std::max(second, row_[i]);
  }
  if (plan_->tie == TieRule::kFail && second == row_[winner]) {
    members_.Fail(run, row, "tie", "two classes have the same mean");
    return;
  }
  confidence_[row] = row_[winner];
  margin_[row] = row_.size() > 1 ? row_[winner] - second : row_[winner];
  disagreement_[row] = sum == 0 ? 0 : 1 - row_[winner] / sum;
  WriteClass(run, row, winner);
}

void Votes::WriteClass(const NodeRun& run, uint32_t row, size_t winner) {
  for (const EnsemblePlan::Made& made : plan_->made) {
    Column& column = run.batch.columns[made.id];
    if (made.output == Output::kProbabilities) {
      std::ranges::copy(row_, column.values<double>().begin() + static_cast<std::ptrdiff_t>(row * row_.size()));
    } else if (made.output == Output::kValue && !plan_->classes.empty()) {
      column.values<std::string_view>()[row] = plan_->classes[winner];
    } else if (made.output == Output::kValue || made.output == Output::kIndex) {
      column.values<int64_t>()[row] = static_cast<int64_t>(winner);
    }
  }
}

}  // namespace anabranch
