#include <cmath>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

template <typename Op>
void Float64Kernel(const Call& call) {
  Map2<double, double, double>(call, Op());
}

struct AddFloat {
  double operator()(double a, double b) const { return a + b; }
};
struct SubtractFloat {
  double operator()(double a, double b) const { return a - b; }
};
struct MultiplyFloat {
  double operator()(double a, double b) const { return a * b; }
};
struct DivideFloat {
  double operator()(double a, double b) const { return a / b; }
};
// NaN when either is.
struct MinFloat {
  double operator()(double a, double b) const { return (a < b || a != a) ? a : b; }
};
struct MaxFloat {
  double operator()(double a, double b) const { return (a > b || a != a) ? a : b; }
};

struct MinInt {
  int64_t operator()(int64_t a, int64_t b) const { return a < b ? a : b; }
};
struct MaxInt {
  int64_t operator()(int64_t a, int64_t b) const { return a > b ? a : b; }
};

template <typename Op>
void Int64Kernel(const Call& call) {
  Map2<int64_t, int64_t, int64_t>(call, Op());
}

struct AddInt {
  static uint64_t Wrapped(uint64_t a, uint64_t b) { return a + b; }
  static int64_t Overflow(int64_t a, int64_t b, int64_t r) { return (a ^ r) & (b ^ r); }
};
struct SubtractInt {
  static uint64_t Wrapped(uint64_t a, uint64_t b) { return a - b; }
  static int64_t Overflow(int64_t a, int64_t b, int64_t r) { return (a ^ b) & (a ^ r); }
};

// The sign of Overflow() says that the wrapped result is wrong. The signs of all rows are combined first, so that the
// usual batch has no branch per row.
template <typename Op>
void CheckedInt64Kernel(const Call& call) {
  const int64_t* __restrict a = In<int64_t>(call, 0);
  const int64_t* __restrict b = In<int64_t>(call, 1);
  int64_t* __restrict out = Out<int64_t>(call);
  int64_t seen = 0;
  for (uint32_t i = 0; i < call.rows; ++i) {
    const auto r = static_cast<int64_t>(Op::Wrapped(static_cast<uint64_t>(a[i]), static_cast<uint64_t>(b[i])));
    out[i] = r;
    seen |= Op::Overflow(a[i], b[i], r);
  }
  States2(call);
  if (seen >= 0) return;
  ReportRows(call, kOverflow, [&](uint32_t row) { return Op::Overflow(a[row], b[row], out[row]) < 0; });
}

void MultiplyInt64(const Call& call) {
  const int64_t* __restrict a = In<int64_t>(call, 0);
  const int64_t* __restrict b = In<int64_t>(call, 1);
  int64_t* __restrict out = Out<int64_t>(call);
  bool seen = false;
  for (uint32_t i = 0; i < call.rows; ++i) seen |= __builtin_mul_overflow(a[i], b[i], &out[i]);
  States2(call);
  if (!seen) return;
  ReportRows(call, kOverflow, [&](uint32_t row) {
    int64_t product;
    return __builtin_mul_overflow(a[row], b[row], &product);
  });
}

// The sign follows the dividend. -1 is a special case: dividing the smallest int64 by it traps.
void ModuloInt64(const Call& call) {
  const int64_t* a = In<int64_t>(call, 0);
  const int64_t* b = In<int64_t>(call, 1);
  int64_t* out = Out<int64_t>(call);
  bool seen = false;
  for (uint32_t i = 0; i < call.rows; ++i) {
    seen |= b[i] == 0;
    out[i] = (b[i] == 0 || b[i] == -1) ? 0 : a[i] % b[i];
  }
  States2(call);
  if (seen) ReportRows(call, kDivisionByZero, [&](uint32_t row) { return b[row] == 0; });
}

void ModuloFloat64(const Call& call) {
  const double* b = In<double>(call, 1);
  Map2<double, double, double>(call, [](double x, double y) { return std::fmod(x, y); });
  bool seen = false;
  for (uint32_t i = 0; i < call.rows; ++i) seen |= b[i] == 0;
  if (seen) ReportRows(call, kDivisionByZero, [&](uint32_t row) { return b[row] == 0; });
}

Kernel Int64Arithmetic(Arithmetic op) {
  switch (op) {
    case Arithmetic::kAdd: return CheckedInt64Kernel<AddInt>;
    case Arithmetic::kSubtract: return CheckedInt64Kernel<SubtractInt>;
    case Arithmetic::kMultiply: return MultiplyInt64;
    case Arithmetic::kModulo: return ModuloInt64;
    case Arithmetic::kMin: return Int64Kernel<MinInt>;
    case Arithmetic::kMax: return Int64Kernel<MaxInt>;
    case Arithmetic::kDivide: break;
  }
  return nullptr;
}

Kernel Float64Arithmetic(Arithmetic op) {
  switch (op) {
    case Arithmetic::kAdd: return Float64Kernel<AddFloat>;
    case Arithmetic::kSubtract: return Float64Kernel<SubtractFloat>;
    case Arithmetic::kMultiply: return Float64Kernel<MultiplyFloat>;
    case Arithmetic::kDivide: return Float64Kernel<DivideFloat>;
    case Arithmetic::kModulo: return ModuloFloat64;
    case Arithmetic::kMin: return Float64Kernel<MinFloat>;
    case Arithmetic::kMax: return Float64Kernel<MaxFloat>;
  }
  return nullptr;
}

struct Equal {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a == b;
  }
};
struct NotEqual {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a != b;
  }
};
struct Less {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a < b;
  }
};
struct LessEqual {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a <= b;
  }
};
struct Greater {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a > b;
  }
};
struct GreaterEqual {
  template <typename T>
  uint8_t operator()(const T& a, const T& b) const {
    return a >= b;
  }
};

template <typename T, typename Op>
void Compare(const Call& call) {
  Map2<T, T, uint8_t>(call, Op());
}

template <typename Op>
void CompareStrings(const Call& call) {
  const std::string_view* a = In<std::string_view>(call, 0);
  const std::string_view* b = In<std::string_view>(call, 1);
  uint8_t* out = Out<uint8_t>(call);
  ForValid(call, [&](uint32_t row) { out[row] = Op()(a[row], b[row]); });
}

template <typename Op>
Kernel CompareOf(Kind kind) {
  switch (kind) {
    case Kind::kBool: return Compare<uint8_t, Op>;
    case Kind::kInt64:
    case Kind::kTimestamp: return Compare<int64_t, Op>;
    case Kind::kFloat64: return Compare<double, Op>;
    case Kind::kString: return CompareStrings<Op>;
    default: return nullptr;
  }
}

}  // namespace

Kernel ArithmeticKernel(Arithmetic op, Kind kind) {
  if (kind == Kind::kFloat64) return Float64Arithmetic(op);
  return Int64Arithmetic(op);
}

Kernel ComparisonKernel(Comparison op, Kind kind) {
  switch (op) {
    case Comparison::kEqual: return CompareOf<Equal>(kind);
    case Comparison::kNotEqual: return CompareOf<NotEqual>(kind);
    case Comparison::kLess: return CompareOf<Less>(kind);
    case Comparison::kLessEqual: return CompareOf<LessEqual>(kind);
    case Comparison::kGreater: return CompareOf<Greater>(kind);
    case Comparison::kGreaterEqual: return CompareOf<GreaterEqual>(kind);
  }
  return nullptr;
}

}  // namespace anabranch::expression
