#include <algorithm>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

template <typename T>
T ValueOf(const Literal& literal) {
  if constexpr (std::is_same_v<T, std::string_view>) return literal.text;
  if constexpr (std::is_same_v<T, double>) return literal.number;
  if constexpr (std::is_integral_v<T>) return static_cast<T>(literal.integer);
}

// Calls visit with a value of the stored type.
template <typename Visit>
auto WithScalar(Kind kind, Visit visit) {
  switch (kind) {
    case Kind::kBool: return visit(uint8_t{});
    case Kind::kFloat64: return visit(double{});
    case Kind::kString: return visit(std::string_view{});
    default: return visit(int64_t{});
  }
}

template <typename T>
struct Keys : KernelData {
  std::vector<Literal> owner;  // of the texts
  std::vector<std::pair<T, int64_t>> sorted;

  // The place of `key` in the list, or the list's length if it is absent.
  int64_t Find(const T& key) const {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), key,
                                     [](const auto& entry, const T& wanted) { return entry.first < wanted; });
    return at != sorted.end() && at->first == key ? at->second : static_cast<int64_t>(owner.size());
  }
};

template <typename T>
struct Values : KernelData {
  std::vector<Literal> owner;
  std::vector<T> values;
};

struct Edges : KernelData {
  std::vector<double> rising;
};

template <typename T>
void Pick(const Call& call) {
  const auto& table = *static_cast<const Values<T>*>(call.data);
  const int64_t* index = In<int64_t>(call, 0);
  const T* other = call.arg_count > 1 ? In<T>(call, 1) : nullptr;
  T* out = Out<T>(call);
  uint8_t* state = OutState(call);
  for (uint32_t row = 0; row < call.rows; ++row) {
    if (!call.arg(0).valid(row)) continue;
    const int64_t i = index[row];
    if (i >= 0 && i < static_cast<int64_t>(table.values.size())) {
      out[row] = table.values[static_cast<size_t>(i)];
      state[row] = table.owner[static_cast<size_t>(i)].null ? kNull : kValid;
    } else if (other != nullptr && call.arg(1).valid(row)) {
      out[row] = other[row];
      state[row] = kValid;
    }
  }
}

template <typename T>
void OneHot(const Call& call) {
  const auto count = static_cast<int64_t>(call.out.type().Elements());
  const int64_t* index = In<int64_t>(call, 0);
  T* out = Out<T>(call);
  std::fill_n(out, static_cast<int64_t>(call.rows) * count, T{0});
  States1(call);
  for (int64_t row = 0; row < static_cast<int64_t>(call.rows); ++row) {
    if (call.arg(0).valid(static_cast<uint32_t>(row)) && index[row] < count) out[row * count + index[row]] = T{1};
  }
}

}  // namespace

void FindKeyKernel(const Call& call) {
  WithScalar(call.arg(0).type().kind, [&](auto scalar) {
    using T = decltype(scalar);
    const auto& keys = *static_cast<const Keys<T>*>(call.data);
    const T* in = In<T>(call, 0);
    int64_t* out = Out<int64_t>(call);
    ForValid(call, [&](uint32_t row) { out[row] = keys.Find(in[row]); });
  });
}

void PickKernel(const Call& call) {
  WithScalar(call.out.type().kind, [&](auto scalar) { Pick<decltype(scalar)>(call); });
}

void OneHotKernel(const Call& call) {
  return call.out.type().element == Kind::kFloat32 ? OneHot<float>(call) : OneHot<double>(call);
}

void BucketKernel(const Call& call) {
  const std::vector<double>& rising = static_cast<const Edges*>(call.data)->rising;
  const double* in = In<double>(call, 0);
  int64_t* out = Out<int64_t>(call);
  // NaN is not below any edge, so it counts as above all of them, as in NumPy.
  ForValid(call,
           [&](uint32_t row) { out[row] = std::upper_bound(rising.begin(), rising.end(), in[row]) - rising.begin(); });
}

std::shared_ptr<const KernelData> MakeKeys(Kind kind, std::vector<Literal> items) {
  return WithScalar(kind, [&](auto scalar) -> std::shared_ptr<const KernelData> {
    using T = decltype(scalar);
    auto keys = std::make_shared<Keys<T>>();
    keys->owner = std::move(items);
    for (size_t i = 0; i < keys->owner.size(); ++i) {
      const T key = ValueOf<T>(keys->owner[i]);
      if (keys->owner[i].number == keys->owner[i].number) {  // NaN equals nothing
        keys->sorted.emplace_back(key, static_cast<int64_t>(i));
      }
    }
    std::sort(keys->sorted.begin(), keys->sorted.end());
    return keys;
  });
}

std::shared_ptr<const KernelData> MakeValues(Kind kind, std::vector<Literal> items) {
  return WithScalar(kind, [&](auto scalar) -> std::shared_ptr<const KernelData> {
    using T = decltype(scalar);
    auto table = std::make_shared<Values<T>>();
    table->owner = std::move(items);
    for (const Literal& item : table->owner) table->values.push_back(ValueOf<T>(item));
    return table;
  });
}

std::shared_ptr<const KernelData> MakeEdges(std::vector<double> rising) {
  auto edges = std::make_shared<Edges>();
  edges->rising = std::move(rising);
  return edges;
}

}  // namespace anabranch::expression
