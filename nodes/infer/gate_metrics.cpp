#include "nodes/infer/gate_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace anabranch {
namespace {

struct Confusion {
  double hits = 0, false_alarms = 0, misses = 0, right = 0;
};

Confusion Count(const GateTruth& rows) {
  Confusion count;
  for (size_t i = 0; i < rows.truth.size(); ++i) {
    const bool truth = rows.truth[i] != 0;
    const bool guess = rows.guess[i] != 0;
    count.hits += truth && guess ? 1 : 0;
    count.false_alarms += !truth && guess ? 1 : 0;
    count.misses += truth && !guess ? 1 : 0;
    count.right += rows.truth[i] == rows.guess[i] ? 1 : 0;
  }
  return count;
}

// The share of pairs of a positive and a negative row whose guesses are in the right order; equal ones count half.
std::optional<double> Auc(const GateTruth& rows) {
  std::vector<size_t> order(rows.truth.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return rows.guess[i]; });
  double positives = 0;
  double rank_sum = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double tied = 0;
    for (; end < order.size() && rows.guess[order[end]] == rows.guess[order[begin]]; ++end) {
      tied += rows.truth[order[end]] != 0 ? 1 : 0;
    }
    rank_sum += tied * (static_cast<double>(begin + end + 1) / 2);
    positives += tied;
    begin = end;
  }
  const double negatives = static_cast<double>(order.size()) - positives;
  if (positives == 0 || negatives == 0) return std::nullopt;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

template <typename Term>
double MeanOf(const GateTruth& rows, Term term) {
  double sum = 0;
  for (size_t i = 0; i < rows.truth.size(); ++i) sum += term(rows.truth[i], rows.guess[i]);
  return sum / static_cast<double>(rows.truth.size());
}

double Squared(double truth, double guess) { return (truth - guess) * (truth - guess); }

double LogLoss(double truth, double guess) {
  constexpr double kLeast = std::numeric_limits<double>::epsilon();
  const double p = std::clamp(guess, kLeast, 1 - kLeast);
  return truth != 0 ? -std::log(p) : -std::log1p(-p);
}

}  // namespace

std::optional<double> ComputeGateMetric(const std::string& metric, const GateTruth& rows) {
  if (rows.truth.empty()) return std::nullopt;
  if (metric == "auc") return Auc(rows);
  if (metric == "log_loss") return MeanOf(rows, LogLoss);
  if (metric == "brier") return MeanOf(rows, Squared);
  if (metric == "rmse") return std::sqrt(MeanOf(rows, Squared));
  if (metric == "mae") return MeanOf(rows, [](double truth, double guess) { return std::abs(truth - guess); });
  const Confusion count = Count(rows);
  if (metric == "accuracy") return count.right / static_cast<double>(rows.truth.size());
  if (count.hits + count.misses == 0) return std::nullopt;  // no positive row
  if (metric == "recall") return count.hits / (count.hits + count.misses);
  if (metric == "precision") {
    return count.hits + count.false_alarms == 0 ? 0 : count.hits / (count.hits + count.false_alarms);
  }
  if (metric == "f1") return 2 * count.hits / (2 * count.hits + count.false_alarms + count.misses);
  return std::nullopt;
}

}  // namespace anabranch
