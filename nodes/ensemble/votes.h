#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "nodes/ensemble/members.h"

namespace anabranch {

// Computes results that are labels or classes. Writes the columns `value`, `index` and `probabilities` of the rows that
// it decides. The node writes their states and the other columns. Scratch memory of one node.
class Votes {
 public:
  Votes(std::shared_ptr<const EnsemblePlan> plan, Members* members) : plan_(std::move(plan)), members_(*members) {}

  // majority_vote, weighted_vote
  void Labels(const NodeRun& run);
  // soft_vote
  void Vectors(const NodeRun& run);
  // first, select with labels: the label of one member is the value. Call BeginRows() for the batch first.
  void Take(const NodeRun& run, uint32_t row, size_t chosen);

  // Per row of the last batch.
  std::span<const double> confidence() const { return confidence_; }
  std::span<const double> margin() const { return margin_; }
  std::span<const double> disagreement() const { return disagreement_; }
  void BeginRows();

 private:
  template <typename Label>
  void LabelsAs(const NodeRun& run, Label fallback);
  template <typename Label>
  void ReadLabels(const NodeRun& run, uint32_t row, Label fallback, std::vector<Label>* labels) const;
  template <typename Label>
  bool Decide(const NodeRun& run, uint32_t row, const std::vector<Label>& labels, size_t* winner);
  template <typename Label>
  void TakeAs(const NodeRun& run, uint32_t row, size_t chosen);
  template <typename Label>
  void WriteLabel(const NodeRun& run, uint32_t row, Label label);

  bool Pool(const NodeRun& run, uint32_t row);
  bool PoolLogs(const NodeRun& run, uint32_t row, double weights);
  double At(const RecordBatch& batch, size_t member, uint32_t row, size_t place) const;
  void DecideVector(const NodeRun& run, uint32_t row);
  void WriteClass(const NodeRun& run, uint32_t row, size_t winner);

  const std::shared_ptr<const EnsemblePlan> plan_;
  Members& members_;
  std::vector<double> confidence_, margin_, disagreement_;
  std::vector<double> row_;  // the vector of one row
};

}  // namespace anabranch
