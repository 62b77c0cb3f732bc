#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nodes/ensemble/program.h"

namespace anabranch {

// The values of the members in one batch. Scratch memory of one node, reused for every batch.
// Per-member arrays are member-major: all rows of the first member, then those of the second.
class Members {
 public:
  explicit Members(std::shared_ptr<const EnsemblePlan> plan);

  // Reads the member columns. Fails rows that cannot be combined: weights, quorum, `missing`.
  void Gather(const NodeRun& run);

  uint32_t rows() const { return rows_; }
  size_t size() const { return plan_->members.size(); }
  std::span<const Cause> causes() const { return causes_; }
  Cause cause(size_t member, uint32_t row) const { return causes_[member * rows_ + row]; }
  bool present(size_t member, uint32_t row) const { return cause(member, row) == Cause::kPresent; }
  // How many of the row's members are present.
  const std::vector<uint32_t>& used() const { return used_; }
  bool some_missing() const { return some_missing_; }

  // Whether the member counts: it is present, or it counts with the default.
  bool counts(size_t member, uint32_t row) const { return counts_[member * rows_ + row] != 0; }
  std::span<const uint8_t> CountsOf(size_t member) const { return {counts_.data() + member * rows_, rows_}; }
  std::span<const double> NumbersOf(size_t member) const { return {numbers_.data() + member * rows_, rows_}; }
  std::span<const double> WeightsOf(size_t member) const { return {weights_.data() + member * rows_, rows_}; }
  double weight(size_t member, uint32_t row) const { return weights_[member * rows_ + row]; }

  // Rows that are active and have not failed here.
  std::vector<uint8_t>& good() { return good_; }
  void Fail(const NodeRun& run, uint32_t row, std::string_view code, std::string message);

 private:
  template <typename T>
  std::span<T> Of(std::vector<T>& all, size_t member) {
    return {all.data() + member * rows_, rows_};
  }
  void GatherMember(const RecordBatch& batch, size_t member);
  template <typename T>
  void ReadNumbers(const Column& column, size_t member);
  template <typename T>
  void FindNan(const Column& column, size_t member);
  void GatherWeights(const NodeRun& run, size_t member);
  template <typename T>
  void ReadWeights(const Column& column, size_t member);
  void FailIncomplete(const NodeRun& run);
  bool HasQuorum(uint32_t row) const;
  std::string MissingNames(uint32_t row) const;

  const std::shared_ptr<const EnsemblePlan> plan_;
  const bool numeric_;   // members are numbers to compute with
  const bool weighted_;  // some weight is a column
  uint32_t rows_ = 0;
  std::vector<Cause> causes_;
  std::vector<uint8_t> counts_;
  std::vector<double> numbers_;  // the default where a member is missing and counts; 0 where it does not count
  std::vector<double> weights_;
  std::vector<uint32_t> used_;
  std::vector<uint8_t> good_;
  bool some_missing_ = false;
};

}  // namespace anabranch
