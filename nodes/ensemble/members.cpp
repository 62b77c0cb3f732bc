#include "nodes/ensemble/members.h"

#include <algorithm>
#include <cmath>

namespace anabranch {

Members::Members(std::shared_ptr<const EnsemblePlan> plan)
    : plan_(std::move(plan)),
      numeric_(!IsVote(plan_->method) && !IsChoice(plan_->method) && plan_->method != EnsembleMethod::kSoftVote),
      weighted_(std::ranges::any_of(plan_->members, [](const auto& m) { return m.weight_column.has_value(); })) {}

void Members::Fail(const NodeRun& run, uint32_t row, std::string_view code, std::string message) {
  good_[row] = 0;
  run.FailRow(row, code, std::move(message));
}

void Members::Gather(const NodeRun& run) {
  rows_ = run.batch.rows();
  const size_t cells = size() * rows_;
  causes_.resize(cells);
  counts_.resize(cells);
  weights_.resize(cells);
  if (numeric_ || IsChoice(plan_->method)) numbers_.resize(cells);
  used_.assign(rows_, 0);
  good_.assign(run.active.begin(), run.active.end());
  for (size_t m = 0; m < size(); ++m) GatherMember(run.batch, m);
  for (size_t m = 0; m < size(); ++m) GatherWeights(run, m);
  FailIncomplete(run);
}

void Members::GatherMember(const RecordBatch& batch, size_t member) {
  const Column& column = batch.columns[plan_->members[member].id];
  const std::span<Cause> causes = Of(causes_, member);
  if (column.rows() != rows_) {  // made only in branches of another source
    std::ranges::fill(causes, Cause::kNull);
    if (!numbers_.empty()) std::ranges::fill(Of(numbers_, member), 0.0);
  } else {
    const std::span<const uint8_t> states = column.states();
    for (size_t row = 0; row < rows_; ++row) {
      const Mark mark = MarkOf(states[row]);
      const bool valid = (states[row] & kValid) != 0;
      causes[row] = mark != Mark::kNone ? static_cast<Cause>(mark) : valid ? Cause::kPresent : Cause::kNull;
    }
    switch (column.type().kind) {
      case Kind::kFloat32: ReadNumbers<float>(column, member); break;
      case Kind::kFloat64: ReadNumbers<double>(column, member); break;
      case Kind::kInt64: ReadNumbers<int64_t>(column, member); break;
      case Kind::kTensor:
        if (column.type().element == Kind::kFloat32) FindNan<float>(column, member);
        if (column.type().element == Kind::kFloat64) FindNan<double>(column, member);
        break;
      default: break;
    }
  }
  const bool all_count = plan_->missing == MissingPolicy::kDefault;
  const std::span<uint8_t> counts = Of(counts_, member);
  for (size_t row = 0; row < rows_; ++row) {
    const bool present = causes[row] == Cause::kPresent;
    counts[row] = present || all_count;
    used_[row] += present;
  }
}

template <typename T>
void Members::ReadNumbers(const Column& column, size_t member) {
  if (numbers_.empty()) return;
  const std::span<const T> values = column.values<T>();
  const std::span<Cause> causes = Of(causes_, member);
  const std::span<double> numbers = Of(numbers_, member);
  const double fallback = plan_->missing == MissingPolicy::kDefault ? plan_->default_number : 0;
  for (size_t row = 0; row < rows_; ++row) {
    const auto number = static_cast<double>(values[row]);
    if (causes[row] == Cause::kPresent && number != number) causes[row] = Cause::kNan;
    numbers[row] = causes[row] == Cause::kPresent ? number : fallback;
  }
}

template <typename T>
void Members::FindNan(const Column& column, size_t member) {
  const auto width = static_cast<size_t>(column.type().Elements());
  const T* value = column.values<T>().data();
  for (Cause& cause : Of(causes_, member)) {
    const T* end = value + width;
    if (cause == Cause::kPresent && std::any_of(value, end, [](T v) { return v != v; })) cause = Cause::kNan;
    value = end;
  }
}

// A weight column counts only where its member counts.
void Members::GatherWeights(const NodeRun& run, size_t member) {
  const EnsembleMember& at = plan_->members[member];
  const std::span<double> weights = Of(weights_, member);
  if (!at.weight_column) {
    std::ranges::fill(weights, at.weight);
    return;
  }
  const Column& column = run.batch.columns[*at.weight_column];
  std::ranges::fill(weights, -1.0);
  if (column.rows() == rows_) {
    switch (column.type().kind) {
      case Kind::kFloat32: ReadWeights<float>(column, member); break;
      case Kind::kFloat64: ReadWeights<double>(column, member); break;
      default: ReadWeights<int64_t>(column, member); break;
    }
  }
  for (uint32_t row = 0; row < rows_; ++row) {
    if (!counts(member, row)) weights[row] = 0;
    if (weights[row] >= 0 && std::isfinite(weights[row])) continue;
    weights[row] = 0;
    if (good_[row]) Fail(run, row, "weight", "the weight of member \"" + at.name + "\" is not a number of at least 0");
  }
}

template <typename T>
void Members::ReadWeights(const Column& column, size_t member) {
  const std::span<double> weights = Of(weights_, member);
  for (uint32_t row = 0; row < rows_; ++row) {
    if (column.valid(row)) weights[row] = static_cast<double>(column.values<T>()[row]);
  }
}

void Members::FailIncomplete(const NodeRun& run) {
  some_missing_ = false;
  for (uint32_t row = 0; row < rows_; ++row) {
    if (!run.active[row] || (used_[row] == size() && !weighted_)) continue;
    some_missing_ = some_missing_ || used_[row] < size();
    if (!good_[row]) continue;
    if (!HasQuorum(row)) {
      const bool counted = plan_->quorum > 0;
      Fail(run, row, "quorum",
           counted
               ? std::to_string(used_[row]) + " of " + std::to_string(size()) + " members are present, the quorum is " +
                     std::to_string(plan_->quorum) + "; missing: " + MissingNames(row)
               : "the members that are present have too little weight for the quorum; missing: " + MissingNames(row));
    } else if (used_[row] == 0) {
      Fail(run, row, "missing_member", "every member of the ensemble is missing");
    } else if (used_[row] < size() && plan_->missing == MissingPolicy::kFail) {
      Fail(run, row, "missing_member", "members are missing: " + MissingNames(row));
    } else if (weighted_) {
      double all = 0;
      for (size_t m = 0; m < size(); ++m) all += counts(m, row) ? weight(m, row) : 0;
      if (!(all > 0)) Fail(run, row, "weight", "all members that are present have weight 0");
    }
  }
}

bool Members::HasQuorum(uint32_t row) const {
  if (plan_->quorum_share <= 0) return used_[row] >= plan_->quorum;
  double all = 0, here = 0;
  for (size_t m = 0; m < size(); ++m) {
    all += plan_->members[m].weight;
    if (present(m, row)) here += plan_->members[m].weight;
  }
  return here >= plan_->quorum_share * all * (1 - 1e-12);
}

std::string Members::MissingNames(uint32_t row) const {
  std::string names;
  for (size_t m = 0; m < size(); ++m) {
    if (present(m, row)) continue;
    names += (names.empty() ? "\"" : ", \"") + plan_->members[m].name + "\" (" +
             kCauseNames[static_cast<size_t>(cause(m, row))] + ")";
  }
  return names;
}

}  // namespace anabranch
