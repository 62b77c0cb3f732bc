#include "engine/strategy/posterior.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/policies/policy.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <numeric>

namespace anabranch {
namespace {

namespace bm = boost::math;
// No exceptions, and no long double.
using Quiet = bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>,
    bm::policies::evaluation_error<bm::policies::ignore_error>, bm::policies::promote_double<false>>;
using Beta = bm::beta_distribution<double, Quiet>;
using StudentT = bm::students_t_distribution<double, Quiet>;

// Where the panels of the quadrature end, in standard deviations (scales) from the middle of each arm: fine where the
// arm is, then doubling, since an exponential tail and that of a t with few degrees of freedom go far.
std::vector<double> Steps() {
  std::vector<double> steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 26, 32, 40};
  for (double step = 64; step <= 0x1p22; step *= 2) steps.push_back(step);
  return steps;
}

bool IsBeta(const Posterior& arm) { return arm.kind == Posterior::Kind::kBeta; }

double Middle(const Posterior& arm) { return IsBeta(arm) ? arm.a / (arm.a + arm.b) : arm.a; }

double Scale(const Posterior& arm) {
  if (!IsBeta(arm)) return arm.b;
  const double all = arm.a + arm.b;
  return std::sqrt(arm.a * arm.b / (all * all * (all + 1)));
}

double Density(const Posterior& arm, double x) {
  if (IsBeta(arm)) return bm::pdf(Beta(arm.a, arm.b), x);
  return bm::pdf(StudentT(arm.c), (x - arm.a) / arm.b) / arm.b;
}

double Below(const Posterior& arm, double x) {
  if (IsBeta(arm)) return bm::cdf(Beta(arm.a, arm.b), x);
  return bm::cdf(StudentT(arm.c), (x - arm.a) / arm.b);
}

std::vector<double> Edges(std::span<const Posterior> arms) {
  std::vector<double> edges;
  static const std::vector<double> steps = Steps();
  for (const Posterior& arm : arms) {
    for (const double step : steps) {
      edges.push_back(Middle(arm) - step * Scale(arm));
      edges.push_back(Middle(arm) + step * Scale(arm));
    }
  }
  if (IsBeta(arms[0])) {
    for (double& edge : edges) edge = std::clamp(edge, 0.0, 1.0);
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

constexpr double kNothing = 1e-17;  // of a probability

// Adds to `sums` what the point `x` with this weight gives to each arm.
void AddPoint(std::span<const Posterior> arms, double x, double weight, std::span<double> sums) {
  for (size_t i = 0; i < arms.size(); ++i) {
    double part = weight * Density(arms[i], x);
    for (size_t j = 0; j < arms.size() && part > kNothing; ++j) {
      if (j != i) part *= Below(arms[j], x);
    }
    sums[i] += part;
  }
}

}  // namespace

std::vector<double> LargestOf(std::span<const Posterior> arms) {
  using Gauss = bm::quadrature::gauss<double, 10>;
  std::vector<double> sums(arms.size(), 0.0);
  if (arms.size() < 2) return std::vector<double>(arms.size(), 1.0);
  const std::vector<double> edges = Edges(arms);
  for (size_t i = 0; i + 1 < edges.size(); ++i) {
    const double middle = edges[i] + (edges[i + 1] - edges[i]) / 2, half = (edges[i + 1] - edges[i]) / 2;
    for (size_t k = 0; k < Gauss::abscissa().size(); ++k) {
      const double away = half * Gauss::abscissa()[k], weight = half * Gauss::weights()[k];
      AddPoint(arms, middle + away, weight, sums);
      AddPoint(arms, middle - away, weight, sums);
    }
  }
  const double all = std::accumulate(sums.begin(), sums.end(), 0.0);
  for (double& sum : sums) sum /= all;
  return sums;
}

}  // namespace anabranch
