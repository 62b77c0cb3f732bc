#include <algorithm>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

struct Range {
  size_t begin, end;
};

Range RangeOf(const Column& column, uint32_t row) {
  if (column.type().kind == Kind::kList) return {column.list_offsets()[row], column.list_offsets()[row + 1]};
  const auto count = static_cast<size_t>(column.type().Elements());
  return {row * count, (row + 1) * count};
}

template <typename T, typename R, Reduction kOp>
struct Reduce {
  static R Better(R a, R b) {
    if constexpr (kOp == Reduction::kMin) return (a < b || a != a) ? a : b;
    return (a > b || a != a) ? a : b;
  }

  static void Run(const Call& call) {
    const Column& in = call.arg(0);
    ForValid(call, [&](uint32_t row) {
      const Range range = RangeOf(in, row);
      Row(call, row, in.values<T>().data() + range.begin, range.end - range.begin);
    });
  }

  static void Row(const Call& call, uint32_t row, const T* values, size_t count) {
    if (count == 0 && kOp != Reduction::kSum) {
      OutState(call)[row] = kNull;
      return;
    }
    if constexpr (kOp == Reduction::kSum && std::is_same_v<R, int64_t>) return SumInt64(call, row, values, count);
    R result = count == 0 ? R{} : static_cast<R>(values[0]);
    for (size_t i = 1; i < count; ++i) {
      const R value = static_cast<R>(values[i]);
      if constexpr (kOp == Reduction::kSum || kOp == Reduction::kMean) {
        result += value;
      } else {
        result = Better(result, value);
      }
    }
    if constexpr (kOp == Reduction::kMean) result /= static_cast<R>(count);
    Out<R>(call)[row] = result;
  }

  static void SumInt64(const Call& call, uint32_t row, const T* values, size_t count) {
    int64_t sum = 0;
    bool overflow = false;
    for (size_t i = 0; i < count; ++i) overflow |= __builtin_add_overflow(sum, values[i], &sum);
    Out<int64_t>(call)[row] = sum;
    if (!overflow) return;
    OutState(call)[row] = kNull;
    call.errors.push_back({row, kOverflow});
  }
};

template <Reduction kOp>
Kernel ReductionOf(Kind element) {
  switch (element) {
    case Kind::kInt64:
      if constexpr (kOp == Reduction::kMean) return Reduce<int64_t, double, kOp>::Run;
      return Reduce<int64_t, int64_t, kOp>::Run;
    case Kind::kFloat32: return Reduce<float, double, kOp>::Run;
    case Kind::kFloat64: return Reduce<double, double, kOp>::Run;
    default: return nullptr;
  }
}

// Calls visit with a value of the stored element type.
template <typename Visit>
void WithElement(Kind element, Visit visit) {
  switch (element) {
    case Kind::kBool: return visit(uint8_t{});
    case Kind::kFloat32: return visit(float{});
    case Kind::kFloat64: return visit(double{});
    case Kind::kString: return visit(std::string_view{});
    default: return visit(int64_t{});
  }
}

// False when any index is out of range; else *flat is the element within the row.
bool FlatIndex(const Call& call, uint32_t row, size_t list_size, size_t* flat) {
  const Type& type = call.arg(0).type();
  *flat = 0;
  for (size_t i = 1; i < call.arg_count; ++i) {
    const int64_t index = In<int64_t>(call, i)[row];
    const auto size = type.kind == Kind::kList ? static_cast<int64_t>(list_size) : type.shape[i - 1];
    if (index < 0 || index >= size) return false;
    *flat = *flat * static_cast<size_t>(size) + static_cast<size_t>(index);
  }
  return true;
}

template <typename T>
void Index(const Call& call) {
  using R = std::conditional_t<std::is_same_v<T, float>, double, T>;
  const Column& in = call.arg(0);
  const T* values = in.values<T>().data();
  R* out = Out<R>(call);
  ForValid(call, [&](uint32_t row) {
    const Range range = RangeOf(in, row);
    size_t flat;
    if (FlatIndex(call, row, range.end - range.begin, &flat)) {
      out[row] = static_cast<R>(values[range.begin + flat]);
    } else {
      OutState(call)[row] = kNull;
    }
  });
}

// Numbers compare as float64 unless both are int64.
template <typename S, typename T>
void InElements(const Call& call) {
  if constexpr (std::is_convertible_v<T, S>) {
    const S* wanted = In<S>(call, 0);
    const Column& in = call.arg(1);
    const T* values = in.values<T>().data();
    uint8_t* out = Out<uint8_t>(call);
    ForValid(call, [&](uint32_t row) {
      const Range range = RangeOf(in, row);
      out[row] = std::any_of(values + range.begin, values + range.end,
                             [&](const T& value) { return static_cast<S>(value) == wanted[row]; });
    });
  }
}

template <typename T>
struct Set : KernelData {
  // For short sets, a linear search is faster than a binary one.
  static constexpr size_t kShort = 8;
  bool Has(const T& value) const {
    if (sorted.size() <= kShort) return std::find(sorted.begin(), sorted.end(), value) != sorted.end();
    return std::binary_search(sorted.begin(), sorted.end(), value);
  }
  std::vector<Literal> owner;  // of the strings
  std::vector<T> sorted;
};

template <typename T>
std::shared_ptr<const KernelData> SetOf(std::vector<Literal> items) {
  auto set = std::make_shared<Set<T>>();
  set->owner = std::move(items);
  for (const Literal& item : set->owner) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      set->sorted.push_back(item.text);
    } else if constexpr (std::is_same_v<T, double>) {
      if (item.number == item.number) set->sorted.push_back(item.number);  // NaN equals nothing
    } else {
      set->sorted.push_back(static_cast<T>(item.integer));
    }
  }
  std::sort(set->sorted.begin(), set->sorted.end());
  return set;
}

}  // namespace

Kernel ReductionKernel(Reduction op, Kind element) {
  switch (op) {
    case Reduction::kSum: return ReductionOf<Reduction::kSum>(element);
    case Reduction::kMean: return ReductionOf<Reduction::kMean>(element);
    case Reduction::kMin: return ReductionOf<Reduction::kMin>(element);
    case Reduction::kMax: return ReductionOf<Reduction::kMax>(element);
  }
  return nullptr;
}

void SequenceLengthKernel(const Call& call) {
  int64_t* out = Out<int64_t>(call);
  ForValid(call, [&](uint32_t row) {
    const Range range = RangeOf(call.arg(0), row);
    out[row] = static_cast<int64_t>(range.end - range.begin);
  });
}

void IndexKernel(const Call& call) {
  WithElement(call.arg(0).type().element, [&](auto element) { Index<decltype(element)>(call); });
}

void InSequenceKernel(const Call& call) {
  WithElement(call.arg(0).type().kind, [&](auto scalar) {
    WithElement(call.arg(1).type().element,
                [&](auto element) { InElements<decltype(scalar), decltype(element)>(call); });
  });
}

void InSetKernel(const Call& call) {
  WithElement(call.arg(0).type().kind, [&](auto scalar) {
    using T = decltype(scalar);
    const auto& set = *static_cast<const Set<T>*>(call.data);
    const T* in = In<T>(call, 0);
    uint8_t* out = Out<uint8_t>(call);
    ForValid(call, [&](uint32_t row) { out[row] = set.Has(in[row]); });
  });
}

std::shared_ptr<const KernelData> MakeSet(Kind kind, std::vector<Literal> items) {
  switch (kind) {
    case Kind::kBool: return SetOf<uint8_t>(std::move(items));
    case Kind::kFloat64: return SetOf<double>(std::move(items));
    case Kind::kString: return SetOf<std::string_view>(std::move(items));
    default: return SetOf<int64_t>(std::move(items));
  }
}

}  // namespace anabranch::expression
