#pragma once

#include "engine/expression/program.h"

// Loops that the kernels share. They are written so that the compiler vectorises them: plain pointers that do not
// alias, one pass for values, one for states, no branch on the state.
namespace anabranch::expression {

inline constexpr const char* kOverflow = "integer overflow";
inline constexpr const char* kDivisionByZero = "division by zero";
inline constexpr const char* kConversionRange = "number out of the range of int64";

template <typename T>
const T* In(const Call& call, size_t i) {
  return call.arg(i).values<T>().data();
}
template <typename T>
T* Out(const Call& call) {
  return call.out.values<T>().data();
}
inline const uint8_t* State(const Call& call, size_t i) { return call.arg(i).states().data(); }
inline uint8_t* OutState(const Call& call) { return call.out.states().data(); }

inline void States1(const Call& call) {
  const uint8_t* __restrict a = State(call, 0);
  uint8_t* __restrict out = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = a[i] & kValid;
}

inline void States2(const Call& call) {
  const uint8_t* __restrict a = State(call, 0);
  const uint8_t* __restrict b = State(call, 1);
  uint8_t* __restrict out = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = a[i] & b[i] & kValid;
}

// out = op(a), for every row, valid or not.
template <typename A, typename R, typename Op>
void Map1(const Call& call, Op op) {
  const A* __restrict a = In<A>(call, 0);
  R* __restrict out = Out<R>(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = op(a[i]);
  States1(call);
}

// out = op(a, b), for every row, valid or not.
template <typename A, typename B, typename R, typename Op>
void Map2(const Call& call, Op op) {
  const A* __restrict a = In<A>(call, 0);
  const B* __restrict b = In<B>(call, 1);
  R* __restrict out = Out<R>(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = op(a[i], b[i]);
  States2(call);
}

// Calls visit(row) for each requested row whose operands are all valid, and marks it valid; visit may undo that.
template <typename Visit>
void ForValid(const Call& call, Visit visit) {
  uint8_t* out = OutState(call);
  for (uint32_t row = 0; row < call.rows; ++row) {
    uint8_t valid = call.mask[row];
    for (size_t i = 0; i < call.arg_count; ++i) valid &= State(call, i)[row];
    if (!(valid & kValid)) continue;
    out[row] = kValid;
    visit(row);
  }
}

// Reports the requested, valid rows for which bad(row) holds. The slow second pass of a kernel that found a suspect.
template <typename Bad>
void ReportRows(const Call& call, const char* message, Bad bad) {
  for (uint32_t row = 0; row < call.rows; ++row) {
    if ((OutState(call)[row] & call.mask[row] & kValid) && bad(row)) {
      OutState(call)[row] = kNull;
      call.errors.push_back({row, message});
    }
  }
}

}  // namespace anabranch::expression
