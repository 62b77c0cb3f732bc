#include <cstring>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

// Bool values of rows that are not valid are undefined: every use is combined with the state or with 1.

template <typename T>
void Select(const Call& call) {
  const uint8_t* __restrict condition = In<uint8_t>(call, 0);
  const uint8_t* __restrict known = State(call, 0);
  const T* __restrict yes = In<T>(call, 1);
  const T* __restrict no = In<T>(call, 2);
  const uint8_t* __restrict yes_state = State(call, 1);
  const uint8_t* __restrict no_state = State(call, 2);
  T* __restrict out = Out<T>(call);
  uint8_t* __restrict state = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = (condition[i] & known[i] & kValid) ? yes[i] : no[i];
  for (uint32_t i = 0; i < call.rows; ++i) {
    state[i] = ((condition[i] & known[i] & kValid) ? yes_state[i] : no_state[i]) & kValid;
  }
}

template <typename T>
void Coalesce(const Call& call) {
  const T* __restrict a = In<T>(call, 0);
  const T* __restrict b = In<T>(call, 1);
  const uint8_t* __restrict a_state = State(call, 0);
  const uint8_t* __restrict b_state = State(call, 1);
  T* __restrict out = Out<T>(call);
  uint8_t* __restrict state = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = (a_state[i] & kValid) ? a[i] : b[i];
  for (uint32_t i = 0; i < call.rows; ++i) state[i] = (a_state[i] | b_state[i]) & kValid;
}

template <typename T>
void CopyList(const Column& from, const Call& call) {
  for (uint32_t row = 0; row < call.rows; ++row) {
    if (from.valid(row)) {
      OutState(call)[row] = kValid;
      for (uint32_t i = from.list_offsets()[row]; i < from.list_offsets()[row + 1]; ++i) {
        call.out.PushListValue(from.values<T>()[i]);
      }
    }
    call.out.EndListRow();
  }
}

void CopyAnyList(const Column& from, const Call& call) {
  switch (from.type().element) {
    case Kind::kBool: return CopyList<uint8_t>(from, call);
    case Kind::kFloat32: return CopyList<float>(from, call);
    case Kind::kFloat64: return CopyList<double>(from, call);
    case Kind::kString: return CopyList<std::string_view>(from, call);
    default: return CopyList<int64_t>(from, call);
  }
}

template <typename T>
Kernel SelectOrCoalesce(bool select) {
  return select ? Select<T> : Coalesce<T>;
}

Kernel ByKind(Kind kind, bool select) {
  switch (kind) {
    case Kind::kBool: return SelectOrCoalesce<uint8_t>(select);
    case Kind::kFloat64: return SelectOrCoalesce<double>(select);
    case Kind::kString: return SelectOrCoalesce<std::string_view>(select);
    default: return SelectOrCoalesce<int64_t>(select);
  }
}

// out = mask where keep(state, value) has bit 1.
template <typename Keep>
void NarrowMask(const Call& call, Keep keep) {
  const uint8_t* __restrict state = State(call, 0);
  const uint8_t* __restrict mask = call.mask;
  uint8_t* __restrict out = Out<uint8_t>(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = mask[i] & keep(state[i], i) & 1;
}

}  // namespace

void AndKernel(const Call& call) {
  const uint8_t* __restrict a = In<uint8_t>(call, 0);
  const uint8_t* __restrict b = In<uint8_t>(call, 1);
  const uint8_t* __restrict sa = State(call, 0);
  const uint8_t* __restrict sb = State(call, 1);
  uint8_t* __restrict out = Out<uint8_t>(call);
  uint8_t* __restrict state = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) {
    const uint8_t some_false = (sa[i] & ~a[i]) | (sb[i] & ~b[i]);
    out[i] = a[i] & b[i] & 1;
    state[i] = ((sa[i] & sb[i]) | some_false) & kValid;
  }
}

void OrKernel(const Call& call) {
  const uint8_t* __restrict a = In<uint8_t>(call, 0);
  const uint8_t* __restrict b = In<uint8_t>(call, 1);
  const uint8_t* __restrict sa = State(call, 0);
  const uint8_t* __restrict sb = State(call, 1);
  uint8_t* __restrict out = Out<uint8_t>(call);
  uint8_t* __restrict state = OutState(call);
  for (uint32_t i = 0; i < call.rows; ++i) {
    const uint8_t some_true = ((sa[i] & a[i]) | (sb[i] & b[i])) & 1;
    out[i] = some_true;
    state[i] = ((sa[i] & sb[i]) | some_true) & kValid;
  }
}

void NotKernel(const Call& call) {
  Map1<uint8_t, uint8_t>(call, [](uint8_t a) -> uint8_t { return (a ^ 1) & 1; });
}

void IsNullKernel(const Call& call) {
  const uint8_t* __restrict a = State(call, 0);
  uint8_t* __restrict out = Out<uint8_t>(call);
  for (uint32_t i = 0; i < call.rows; ++i) out[i] = (a[i] & kValid) ^ 1;
  std::memset(OutState(call), kValid, call.rows);
}

Kernel SelectKernel(Kind kind) { return ByKind(kind, true); }
Kernel CoalesceKernel(Kind kind) { return ByKind(kind, false); }

void CopyKernel(const Call& call) {
  const Column& from = call.arg(0);
  const Type& type = from.type();
  if (type.kind == Kind::kList) return CopyAnyList(from, call);
  const size_t bytes = KindSize(type.IsScalar() ? type.kind : type.element) * static_cast<size_t>(type.Elements());
  if (call.rows != 0) std::memcpy(Out<char>(call), In<char>(call, 0), call.rows * bytes);
  States1(call);
}

void MaskTrueKernel(const Call& call) {
  const uint8_t* value = In<uint8_t>(call, 0);
  NarrowMask(call, [value](uint8_t state, uint32_t i) { return state & value[i]; });
}
void MaskNotTrueKernel(const Call& call) {
  const uint8_t* value = In<uint8_t>(call, 0);
  NarrowMask(call, [value](uint8_t state, uint32_t i) { return ~(state & value[i]); });
}
void MaskNotFalseKernel(const Call& call) {
  const uint8_t* value = In<uint8_t>(call, 0);
  NarrowMask(call, [value](uint8_t state, uint32_t i) { return ~(state & ~value[i]); });
}
void MaskNullKernel(const Call& call) {
  NarrowMask(call, [](uint8_t state, uint32_t) { return ~state; });
}

}  // namespace anabranch::expression
