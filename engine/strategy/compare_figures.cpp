#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/strategy/compare.h"
#include "engine/strategy/drift.h"

namespace anabranch {
namespace {

// Σ(x - mean x)(y - mean y) of n pairs. The sums have twice the digits, so that nothing is lost where the means are
// much larger than the deviations.
double Comoment(double n, const WideSum& x, const WideSum& y, const WideSum& xy) {
  const double mean_x = x.value() / n, mean_y = y.value() / n;
  WideSum sum = xy;
  sum.AddProduct(-mean_y, x.high());
  sum.AddProduct(-mean_y, x.low());
  sum.AddProduct(-mean_x, y.high());
  sum.AddProduct(-mean_x, y.low());
  const double all = n * mean_x;
  sum.AddProduct(all, mean_y);
  sum.AddProduct(std::fma(n, mean_x, -all), mean_y);
  return sum.value();
}

WideSum Negative(const WideSum& x) { return {-x.high(), -x.low()}; }

// Of b - a.
WideSum DifferenceSquares(const OutputCounts& counts) {
  WideSum squares = counts.aa;
  squares.Add(counts.bb);
  squares.Add(Negative(counts.ab));
  squares.Add(Negative(counts.ab));
  return squares;
}

void AddNumberFigures(const OutputCounts& counts, double alpha, CompareFigures* figures) {
  const auto n = static_cast<double>(counts.compared);
  WideSum difference = counts.b;
  difference.Add(Negative(counts.a));
  figures->mean_difference = difference.value() / n;
  if (counts.compared > 1) {
    const double spread = Comoment(n, difference, difference, DifferenceSquares(counts));
    figures->deviation = std::sqrt(std::max(spread, 0.0) / (n - 1));
  }
  figures->interval = DifferenceInterval(counts.compared, figures->deviation, alpha);
  figures->p50 = counts.difference.Quantile(0.5);
  figures->p90 = counts.difference.Quantile(0.9);
  figures->p99 = counts.difference.Quantile(0.99);
  figures->max = counts.difference.max();
  const double spread_a = Comoment(n, counts.a, counts.a, counts.aa);
  const double spread_b = Comoment(n, counts.b, counts.b, counts.bb);
  if (spread_a > 0 && spread_b > 0) {
    figures->pearson = Comoment(n, counts.a, counts.b, counts.ab) / std::sqrt(spread_a) / std::sqrt(spread_b);
  }
  figures->ks = KolmogorovSmirnov(counts.a_bins, counts.b_bins);
}

}  // namespace

double DifferenceInterval(int64_t n, double deviation, double alpha, double at) {
  if (n < 2) return std::numeric_limits<double>::infinity();
  const double least = 2 * std::log(1 / alpha);
  const double rho = at / (least + std::log1p(least));  // the mixture that is narrowest at `at`, nearly
  const double v = static_cast<double>(n) + rho;
  return deviation * std::sqrt(v * std::log(v / (rho * alpha * alpha))) / static_cast<double>(n);
}

CompareFigures FiguresOf(const CompareSpec::Output& output, const OutputCounts& counts, double alpha) {
  CompareFigures figures;
  figures.psi = PopulationStability(counts.a_bins, counts.b_bins);
  if (!output.reference.empty()) {
    figures.a_psi = PopulationStability(output.reference, counts.a_bins);
    figures.b_psi = PopulationStability(output.reference, counts.b_bins);
  }
  if (counts.compared == 0) return figures;
  figures.agreement = static_cast<double>(counts.equal) / static_cast<double>(counts.compared);
  if (!output.is_label) AddNumberFigures(counts, alpha, &figures);
  return figures;
}

}  // namespace anabranch
