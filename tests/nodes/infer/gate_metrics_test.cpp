#include "nodes/infer/gate_metrics.h"

#include <gtest/gtest.h>

#include <vector>

#include "nodes/infer/gate_rows.h"

namespace anabranch {
namespace {

// The figures are those of scikit-learn 1.9.1: roc_auc_score, log_loss, brier_score_loss, …
const std::vector<double> kTruth = {0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
                                    1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1};
const std::vector<double> kGuess = {0.2, 0.6, 0.4, 0.8, 0.7, 0.5, 0.3, 0.4, 0.4, 0.6, 0.5, 0.7, 0.3, 0.3,
                                    0.2, 0.1, 0.6, 0.3, 0.7, 0.4, 0.7, 0.7, 0.5, 0.4, 0.6, 0.2, 0.3, 0.1,
                                    0.7, 0.2, 0.5, 0.5, 0.9, 0.7, 0.1, 0.8, 0.7, 0.9, 0.4, 0.4};

double Metric(const std::string& metric, const std::vector<double>& truth, const std::vector<double>& guess) {
  const auto value = ComputeGateMetric(metric, {truth, guess});
  EXPECT_TRUE(value) << metric;
  return value.value_or(-1);
}

TEST(GateMetrics, AreThoseOfScikitLearn) {
  EXPECT_NEAR(Metric("auc", kTruth, kGuess), 0.7890625, 1e-12);  // with many ties
  EXPECT_NEAR(Metric("log_loss", kTruth, kGuess), 0.5462767691020094, 1e-12);
  EXPECT_NEAR(Metric("brier", kTruth, kGuess), 0.18675, 1e-12);
  EXPECT_NEAR(Metric("rmse", kTruth, kGuess), 0.432145808726638, 1e-12);
  EXPECT_NEAR(Metric("mae", kTruth, kGuess), 0.3875, 1e-12);
  std::vector<double> decided;
  for (const double p : kGuess) decided.push_back(p > 0.5 ? 1 : 0);
  EXPECT_NEAR(Metric("accuracy", kTruth, decided), 0.7, 1e-12);
  EXPECT_NEAR(Metric("f1", kTruth, decided), 0.625, 1e-12);
  EXPECT_NEAR(Metric("precision", kTruth, decided), 0.625, 1e-12);
  EXPECT_NEAR(Metric("recall", kTruth, decided), 0.625, 1e-12);
  EXPECT_NEAR(Metric("log_loss", {1, 0}, {0, 0.2}), 18.13339847021568, 1e-9);
}

TEST(GateMetrics, AreUndefinedWhereTheRowsDoNotDefineThem) {
  EXPECT_FALSE(ComputeGateMetric("auc", {std::vector<double>{1, 1}, std::vector<double>{0.1, 0.2}}));
  EXPECT_FALSE(ComputeGateMetric("recall", {std::vector<double>{0, 0}, std::vector<double>{1, 0}}));
  EXPECT_FALSE(ComputeGateMetric("accuracy", {}));
  EXPECT_EQ(Metric("precision", {1, 0}, {0, 0}), 0);
  EXPECT_EQ(Metric("f1", {1, 0}, {0, 0}), 0);
}

TEST(GateClasses, AreNumberedForTheirOwnOutput) {
  const std::vector<std::string> classes = {"ok", "fraud"};
  EXPECT_EQ(WithClassNumbers("p['fraud'] > 0.4 && 1 - p[\"ok\"] > 0.2", "p", classes), "p[1] > 0.4 && 1 - p[0] > 0.2");
  EXPECT_EQ(WithClassNumbers("cal_p['ok'] > p['fraud']", "p", classes), "cal_p['ok'] > p[1]");
  EXPECT_EQ(WithClassNumbers("p['other']", "p", classes), "p['other']");
}

}  // namespace
}  // namespace anabranch
