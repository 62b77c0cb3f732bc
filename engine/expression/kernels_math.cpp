#include <cmath>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

constexpr int64_t kSmallest = INT64_MIN;

// -x and |x| do not exist for the smallest int64. The loop wraps, and the second pass reports it.
template <typename Op>
void CheckedInt64(const Call& call, Op op) {
  const int64_t* __restrict in = In<int64_t>(call, 0);
  int64_t* __restrict out = Out<int64_t>(call);
  bool seen = false;
  for (uint32_t i = 0; i < call.rows; ++i) {
    out[i] = op(in[i]);
    seen |= in[i] == kSmallest;
  }
  States1(call);
  if (seen) ReportRows(call, kOverflow, [&](uint32_t row) { return in[row] == kSmallest; });
}

int64_t Negated(int64_t x) { return static_cast<int64_t>(0 - static_cast<uint64_t>(x)); }

template <double (*kFunction)(double)>
void Map(const Call& call) {
  Map1<double, double>(call, [](double x) { return kFunction(x); });
}

// Only exp() of a negative number, so that it cannot overflow on either side.
double Sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

}  // namespace

void NegateInt64(const Call& call) { CheckedInt64(call, Negated); }
void AbsInt64(const Call& call) {
  CheckedInt64(call, [](int64_t x) { return x < 0 ? Negated(x) : x; });
}
void NegateFloat64(const Call& call) {
  Map1<double, double>(call, [](double x) { return -x; });
}

void AbsFloat64(const Call& call) { Map<std::fabs>(call); }
void FloorKernel(const Call& call) { Map<std::floor>(call); }
void CeilKernel(const Call& call) { Map<std::ceil>(call); }
void RoundKernel(const Call& call) { Map<std::round>(call); }
void SqrtKernel(const Call& call) { Map<std::sqrt>(call); }
void ExpKernel(const Call& call) { Map<std::exp>(call); }
void Expm1Kernel(const Call& call) { Map<std::expm1>(call); }
void LogKernel(const Call& call) { Map<std::log>(call); }
void Log1pKernel(const Call& call) { Map<std::log1p>(call); }
void Log10Kernel(const Call& call) { Map<std::log10>(call); }
void SinKernel(const Call& call) { Map<std::sin>(call); }
void CosKernel(const Call& call) { Map<std::cos>(call); }
void TanhKernel(const Call& call) { Map<std::tanh>(call); }
void SigmoidKernel(const Call& call) { Map<Sigmoid>(call); }

void PowKernel(const Call& call) {
  Map2<double, double, double>(call, [](double x, double y) { return std::pow(x, y); });
}
void IsNanKernel(const Call& call) {
  Map1<double, uint8_t>(call, [](double x) -> uint8_t { return x != x; });
}
void IsFiniteKernel(const Call& call) {
  Map1<double, uint8_t>(call, [](double x) -> uint8_t { return std::isfinite(x); });
}

}  // namespace anabranch::expression
