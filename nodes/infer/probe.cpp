#include "nodes/infer/probe.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "engine/clock.h"
#include "nodes/infer/numbers.h"
#include "nodes/infer/rows.h"

namespace anabranch {
namespace {

constexpr double kNoise = 1.05;  // ratio of two measurements of the same thing
constexpr std::array<uint32_t, 12> kSizes = {2, 3, 4, 5, 7, 8, 16, 33, 64, 100, 128, 256};
constexpr std::array<uint32_t, 5> kCandidates = {4, 8, 16, 64, 256};
constexpr std::array<size_t, 3> kShifts = {1, 3, 4};
constexpr uint32_t kMostRows = 256;
constexpr uint32_t kPaddedRows = 16;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kBudgetNs = 1'000'000'000;
constexpr int64_t kMeasureNs = 2'000'000;

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Prober {
 public:
  explicit Prober(ModelCall* call) : call_(*call), plan_(call->plan()) {}

  // Made-up rows [first, first + n) and copies of the last one, n ≤ rows.
  void Fill(uint32_t first, uint32_t n, uint32_t rows) {
    for (size_t i = 0; i < plan_.inputs.size(); ++i) {
      const Element element = plan_.inputs[i].element;
      if (element == Element::kString) FillTexts(i, first, n, rows);
      WithNumber(element, [&]<typename T>() { FillNumbers<T>(i, first, n, rows); });
    }
  }

  // Results of `count` made-up rows, from calls with `records` each (the first has `lead` fewer), padded to `rows`
  // unless that is 0.
  Result<std::vector<std::string>> Results(uint32_t count, uint32_t records, uint32_t rows, uint32_t lead = 0) {
    return Results(count, records, rows, lead, 0);
  }

  // The same, with inputs and outputs shifted by `shift` values in memory.
  Result<std::vector<std::string>> ShiftedResults(uint32_t count, uint32_t rows, size_t shift) {
    return Results(count, rows, rows, 0, shift);
  }

 private:
  Result<std::vector<std::string>> Results(uint32_t count, uint32_t records, uint32_t rows, uint32_t lead,
                                           size_t shift) {
    std::vector<std::string> results;
    for (uint32_t first = 0; first < count;) {
      const uint32_t n = std::min(first == 0 ? records - lead : records, count - first);
      const uint32_t call_rows = rows != 0 ? rows : std::max(n, 2U);
      Fill(first, n, call_rows);
      if (shift != 0) Shift(call_rows, shift);
      RETURN_IF_ERROR(call_.Run(call_rows));
      for (uint32_t row = 0; row < n; ++row) results.push_back(RowBytes(row));
      first += n;
    }
    return results;
  }

  void Shift(uint32_t rows, size_t shift) {
    shifted_.resize(plan_.inputs.size() + plan_.outputs.size());
    for (size_t i = 0; i < plan_.inputs.size(); ++i) {
      const size_t size = ElementSize(plan_.inputs[i].element);
      if (size == 0) continue;
      const size_t bytes = rows * static_cast<size_t>(plan_.inputs[i].width) * size;
      char* to = static_cast<char*>(shifted_[i].Reserve(bytes + shift * size)) + shift * size;
      std::memcpy(to, call_.Numbers(i, rows), bytes);
      call_.BorrowInput(i, to);
    }
    for (size_t i = 0; i < plan_.outputs.size(); ++i) {
      if (!call_.in_place(i)) continue;
      const size_t size = ElementSize(plan_.outputs[i].element);
      const size_t bytes = (rows * static_cast<size_t>(plan_.outputs[i].width) + shift) * size;
      call_.BorrowOutput(i, static_cast<char*>(shifted_[plan_.inputs.size() + i].Reserve(bytes)) + shift * size);
    }
  }

  uint64_t Hash(size_t input, uint32_t row, size_t element) const {
    return Mix(Mix((static_cast<uint64_t>(input) << 32) + row) + element);
  }

  template <typename T>
  void FillNumbers(size_t i, uint32_t first, uint32_t n, uint32_t rows) {
    constexpr std::array<double, 4> kScales = {1, 0.1, 3, 100};
    const auto width = static_cast<size_t>(plan_.inputs[i].width);
    T* to = static_cast<T*>(call_.Numbers(i, rows));
    for (uint32_t r = 0; r < rows; ++r) {
      const uint32_t row = first + std::min(r, n - 1);
      for (size_t e = 0; e < width; ++e) {
        const uint64_t hash = Hash(i, row, e);
        if constexpr (kIsFloat<T>) {
          const double unit = static_cast<double>(hash >> 11) * 0x1p-52 - 1.0;
          to[r * width + e] = static_cast<T>(unit * kScales[row % kScales.size()]);
        } else {
          to[r * width + e] = static_cast<T>(hash & 1);
        }
      }
    }
  }

  void FillTexts(size_t i, uint32_t first, uint32_t n, uint32_t rows) {
    const auto width = static_cast<size_t>(plan_.inputs[i].width);
    std::vector<std::string_view>& to = call_.Texts(i, rows);
    for (uint32_t r = 0; r < rows; ++r) {
      for (size_t e = 0; e < width; ++e) {
        to[r * width + e] = (Hash(i, first + std::min(r, n - 1), e) & 1) != 0 ? "a" : "b";
      }
    }
  }

  std::string RowBytes(uint32_t row) const {
    std::string bytes;
    for (size_t i = 0; i < plan_.outputs.size(); ++i) {
      const ModelCall::Output& output = call_.output(i);
      const auto width = static_cast<size_t>(output.width);
      if (plan_.outputs[i].form == ValueInfo::Form::kMaps) {
        bytes.append(reinterpret_cast<const char*>(output.maps.values.data() + row * width), width * sizeof(float));
      } else if (plan_.outputs[i].element == Element::kString) {
        for (size_t e = 0; e < width; ++e) bytes.append(output.strings.text(row * width + e)).push_back('\0');
      } else {
        const size_t size = width * ElementSize(plan_.outputs[i].element);
        bytes.append(static_cast<const char*>(output.data) + row * size, size);
      }
    }
    return bytes;
  }

  ModelCall& call_;
  const InferPlan& plan_;
  std::vector<AlignedBuffer> shifted_;
};

// Lets outputs be written in place if the model's own shapes allow it, and checks that the results stay the same.
// `before` are the results of `rows` made-up rows without it.
void SettleInPlace(const Result<std::vector<std::string>>& before, Prober* prober, uint32_t rows, ModelCall* call,
                   CallShape* shape) {
  const InferPlan& plan = call->plan();
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const ModelOutput& output = plan.outputs[i];
    const bool numbers = output.form == ValueInfo::Form::kTensor && output.element != Element::kString;
    call->SetInPlace(i, numbers && output.width > 0 && output.width == call->output(i).width);
  }
  const auto after = prober->Results(rows, rows, rows);
  const bool good = before.ok() && after.ok() && *before == *after;
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    if (!good) call->SetInPlace(i, false);
    shape->in_place[i] = call->in_place(i);
  }
}

// Time of one call: the least of several. kNever when it fails.
int64_t CallTimeNs(ModelCall* call, Prober* prober, uint32_t rows) {
  const Clock& clock = Clock::Real();
  prober->Fill(0, rows, rows);
  int64_t best = kNever;
  const int64_t end = clock.NowNs() + kMeasureNs;
  for (int i = 0; i < 3 || clock.NowNs() < end; ++i) {
    const int64_t begin = clock.NowNs();
    if (!call->Run(rows).ok()) break;
    best = std::min(best, clock.NowNs() - begin);
    if (best > kMeasureNs) break;
  }
  return best;
}

// The most rows per call that can be probed within the budget.
uint32_t AffordableRows(uint32_t wanted, int64_t row_ns) {
  uint32_t rows = wanted;
  for (auto size = kSizes.rbegin(); size != kSizes.rend() && rows > 2; ++size) {
    const int64_t calls = std::ranges::count_if(kSizes, [&](uint32_t s) { return s <= rows; }) + 2;
    if (calls * rows * row_ns <= kBudgetNs) break;
    rows = std::min(rows, *size);
  }
  return rows;
}

bool SameInAllSizes(Prober* prober, uint32_t rows) {
  const auto expected = prober->Results(rows, 2, 0);
  if (!expected.ok()) return false;
  const auto same = [&](uint32_t size) {
    const auto got = prober->Results(rows, size, 0);
    return got.ok() && *got == *expected;
  };
  return same(rows) && std::ranges::all_of(kSizes, [&](uint32_t size) { return size > rows || same(size); });
}

bool SameInAllPlaces(Prober* prober, uint32_t rows) {
  const auto expected = prober->Results(2 * rows, rows, rows);
  const auto shifted = prober->Results(2 * rows, rows, rows, rows / 3);
  const auto alone = prober->Results(std::min(rows, 4U), 1, rows);
  if (!expected.ok() || !shifted.ok() || !alone.ok() || *expected != *shifted) return false;
  return std::equal(alone->begin(), alone->end(), expected->begin());
}

bool SameWhereverItLies(Prober* prober, uint32_t rows) {
  const auto expected = prober->Results(2 * rows, rows, rows);
  return expected.ok() && std::ranges::all_of(kShifts, [&](size_t shift) {
           const auto got = prober->ShiftedResults(2 * rows, rows, shift);
           return got.ok() && *got == *expected;
         });
}

void MeasureCost(ModelCall* call, Prober* prober, uint32_t rows, CallShape* shape) {
  if (const int64_t ns = CallTimeNs(call, prober, rows); ns != kNever) shape->costs.push_back({rows, ns});
}

// Calls of the usual sizes up to `most` rows.
void MeasureCosts(ModelCall* call, Prober* prober, uint32_t most, CallShape* shape) {
  for (const uint32_t size : kCandidates) {
    if (size < most) MeasureCost(call, prober, size, shape);
  }
  MeasureCost(call, prober, most, shape);
}

// The largest measured size that costs no more per record than the best one, apart from noise.
uint32_t FastestSize(const CallShape& shape, uint32_t most) {
  const auto per_row = [](const CallShape::Cost& cost) { return static_cast<double>(cost.ns) / cost.rows; };
  const auto best = std::ranges::min_element(shape.costs, {}, per_row);
  if (best == shape.costs.end()) return most;
  uint32_t largest = best->rows;
  for (const CallShape::Cost& cost : shape.costs) {
    if (per_row(cost) <= per_row(*best) * kNoise) largest = std::max(largest, cost.rows);
  }
  return largest;
}

void SettleFixedRows(Prober* prober, uint32_t rows, CallShape* shape) {
  shape->fixed_rows = rows;
  shape->records = rows > 1 && SameInAllPlaces(prober, rows) ? rows : 1;
}

}  // namespace

Result<CallShape> ProbeModel(ModelCall* call) {
  const InferPlan& plan = call->plan();
  CallShape shape;
  shape.in_place.assign(plan.outputs.size(), false);
  Prober prober(call);
  const uint32_t first_rows = plan.fixed_rows != 0 ? plan.fixed_rows : 2;
  const auto first = prober.Results(first_rows, first_rows, first_rows);
  if (first.status().code() == Code::kInvalid) return Status(Code::kStage, first.status().message());
  if (!first.ok()) {
    // The model refuses made-up rows, so the probe learns nothing: every call has the same size.
    shape.fixed_rows = plan.fixed_rows != 0 ? plan.fixed_rows : kPaddedRows;
    shape.records = std::min(shape.fixed_rows, plan.max_rows == 0 ? kPaddedRows : plan.max_rows);
    return shape;
  }
  shape.runs = true;
  const auto again = prober.Results(first_rows, first_rows, first_rows);
  if (!plan.nondeterministic && again.ok() && *again != *first) {
    return Status(Code::kStage,
                  "the same rows gave different results when they were computed again; export the model in "
                  "evaluation mode, or set \"nondeterministic\": true at the model");
  }
  if (const Status fits = CheckOutputs(*call); !fits.ok()) return Status(Code::kStage, fits.message());
  SettleInPlace(again, &prober, first_rows, call, &shape);
  if (plan.fixed_rows != 0) {
    SettleFixedRows(&prober, plan.fixed_rows, &shape);
    shape.invariant = shape.records == plan.fixed_rows;
  } else {
    const uint32_t wanted = std::max(plan.max_rows == 0 ? kMostRows : plan.max_rows, 2U);
    const int64_t two_ns = CallTimeNs(call, &prober, 2);
    const uint32_t rows = AffordableRows(wanted, two_ns == kNever ? kBudgetNs : two_ns / 2);
    shape.invariant = SameInAllSizes(&prober, rows);
    if (!shape.invariant) {
      SettleFixedRows(&prober, kPaddedRows, &shape);
      if (shape.records == 1) shape.fixed_rows = 2;
    } else {
      if (two_ns != kNever) shape.costs.push_back({2, two_ns});
      if (rows > 2) MeasureCosts(call, &prober, rows, &shape);
      shape.records = plan.max_rows == 0 ? FastestSize(shape, rows) : std::min(plan.max_rows, rows);
    }
  }
  if (plan.max_rows != 0) shape.records = std::min(shape.records, plan.max_rows);
  if (shape.fixed_rows != 0) MeasureCost(call, &prober, shape.fixed_rows, &shape);
  shape.borrows = SameWhereverItLies(&prober, shape.Rows(std::min(shape.records, kPaddedRows)));
  return shape;
}

int64_t CallShape::EstimateNs(uint32_t n) const {
  if (costs.empty()) return 0;
  const auto call_ns = [this](uint32_t rows) {
    const auto above = std::ranges::find_if(costs, [&](const Cost& cost) { return cost.rows >= rows; });
    if (above == costs.begin()) return above->ns;
    if (above == costs.end()) return costs.back().ns * rows / costs.back().rows;
    const Cost& below = *std::prev(above);
    return below.ns + (above->ns - below.ns) * (rows - below.rows) / (above->rows - below.rows);
  };
  const uint32_t rest = n % records;
  return n / records * call_ns(Rows(records)) + (rest == 0 ? 0 : call_ns(Rows(rest)));
}

void CallShape::ApplyTo(ModelCall* call) const {
  for (size_t i = 0; i < in_place.size(); ++i) call->SetInPlace(i, in_place[i]);
  call->SetBorrows(borrows);
}

bool WarmUp(ModelCall* call, const CallShape& shape) {
  return Prober(call).Results(shape.records, shape.records, shape.Rows(shape.records)).ok();
}

}  // namespace anabranch
