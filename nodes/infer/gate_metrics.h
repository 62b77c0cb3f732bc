#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace anabranch {

// What a metric is computed of, row by row.
struct GateTruth {
  std::span<const double> truth;  // 1 or 0 (the positive class or not), or a number
  std::span<const double> guess;  // the same as a decision, or a probability, or a number
};

// "auc", "f1", "precision", "recall", "log_loss", "brier", "rmse", "mae", "accuracy" as scikit-learn defines them for
// two classes (f1 and precision of no positive guess: 0). Nothing where the metric is undefined for these rows.
std::optional<double> ComputeGateMetric(const std::string& metric, const GateTruth& rows);

}  // namespace anabranch
