// What one update of rolling features costs, with its cell and its digest, beside a plain loop over the same rows in
// the same run: no order, no cells, no nulls, sums of doubles as they come.
//   count, sum, mean over 1 h with 10 rows in the window, 100 and 5,000 rows, and a mix of features.
// One key in the cache at a time: the table that holds the keys is not in it.
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/state/rolling/rolling_entry.h"

namespace anabranch::bench {
namespace {

constexpr int64_t kWindow = 3'600'000'000;
constexpr int kRounds = 11;

std::vector<double> Amounts() {
  std::mt19937_64 random(1);
  std::vector<double> amounts(4096);
  for (double& amount : amounts) amount = static_cast<double>(random() % 100'000) / 100;
  return amounts;
}

// A key whose rows are `step` apart, so that kWindow / step are remembered.
class Key {
 public:
  Key(const RollingProgram& program, int64_t rows)
      : program_(program), step_(kWindow / rows), values_(program.width()) {
    Allocate(RollingEntry::FirstCapacity(program));
    RollingEntry::Create(program, memory(), RollingEntry::FirstCapacity(program));
    for (int64_t i = 0; i < 2 * rows; ++i) Update(1);
  }

  void Update(double amount) {
    time_ += step_;
    const uint64_t bits[] = {std::bit_cast<uint64_t>(amount)};
    RollingOutcome outcome = Once(bits);
    if (outcome.fault == RollingFault::kGrow) {
      const auto old = std::move(memory_);
      Allocate(outcome.capacity);
      RollingEntry(program_, reinterpret_cast<std::byte*>(old.get())).Relocate(memory(), outcome.capacity);
      outcome = Once(bits);
    }
    if (outcome.fault != RollingFault::kNone) std::exit(1);
    digest_ += outcome.digest;
    if (output_.cells.size() == 256) output_.Clear();
  }
  uint64_t digest() const { return digest_ + values_[0].bits; }
  size_t bytes() { return RollingEntry::Bytes(program_, RollingEntry(program_, memory()).capacity()); }

 private:
  std::byte* memory() { return reinterpret_cast<std::byte*>(memory_.get()); }
  void Allocate(uint32_t capacity) {
    memory_ = std::make_unique<uint64_t[]>(RollingEntry::Bytes(program_, capacity) / 8 + 1);
  }
  RollingOutcome Once(std::span<const uint64_t> bits) {
    return RollingEntry(program_, memory()).Update({time_, bits, 0}, time_ - kWindow, 77, values_, &output_);
  }

  const RollingProgram& program_;
  int64_t step_;
  int64_t time_ = 1'700'000'000'000'000;
  std::vector<RollingValue> values_;
  RollingOutput output_;
  std::unique_ptr<uint64_t[]> memory_;
  uint64_t digest_ = 0;
};

// The same count, sum and mean of a ring of as many rows.
class PlainRing {
 public:
  explicit PlainRing(int64_t rows) : times_(static_cast<size_t>(rows)), amounts_(static_cast<size_t>(rows)) {}

  void Update(double amount) {
    times_[next_] = ++time_;
    amounts_[next_] = amount;
    next_ = (next_ + 1) % times_.size();
    const int64_t bound = time_ - static_cast<int64_t>(times_.size());
    double sum = 0;
    int64_t count = 0;
    for (size_t i = 0; i < times_.size(); ++i) {
      if (times_[i] <= bound) continue;
      sum += amounts_[i];
      ++count;
    }
    total_ += sum + sum / static_cast<double>(count);
  }
  double total() const { return total_; }

 private:
  std::vector<int64_t> times_;
  std::vector<double> amounts_;
  size_t next_ = 0;
  int64_t time_ = 0;
  double total_ = 0;
};

template <typename T>
double NsPerUpdate(T* key, const std::vector<double>& amounts, int turns) {
  const double begin = CpuSeconds();  // one thread that never waits
  for (int turn = 0; turn < turns; ++turn) {
    for (const double amount : amounts) key->Update(amount);
  }
  return (CpuSeconds() - begin) * 1e9 / (turns * static_cast<double>(amounts.size()));
}

void Compare(const std::string& name, const RollingProgram& program, int64_t rows, int turns, double most,
             Report* report) {
  const std::vector<double> amounts = Amounts();
  Key key(program, rows);
  PlainRing ring(rows);
  std::vector<double> ours, plain, ratio;
  for (int round = -1; round < kRounds; ++round) {
    const double a = NsPerUpdate(&ring, amounts, turns);
    const double b = NsPerUpdate(&key, amounts, turns);
    if (round < 0) continue;
    plain.push_back(a);
    ours.push_back(b);
    ratio.push_back(b / a);
  }
  if (key.digest() == 0 && ring.total() == 0) std::exit(1);  // so that nothing is optimised away
  std::printf("%s: %zu bytes per key\n", name.c_str(), key.bytes());
  report->Value(name + ", plain loop", SpreadOf(plain), "ns per update");
  report->Value(name, SpreadOf(ours), "ns per update");
  report->AtMost(name + "/plain loop", SpreadOf(ratio), "x", most);
}

RollingProgram Make(std::vector<RollingFeature> features) {
  auto program = RollingProgram::Make({RollingType::kFloat64}, std::move(features));
  if (!program.ok()) std::exit(1);
  return std::move(program).value();
}

int Main() {
  using F = RollingFunction;
  const RollingProgram three = Make({{.function = F::kCountRows, .over_us = kWindow},
                                     {.function = F::kSum, .over_us = kWindow},
                                     {.function = F::kMean, .over_us = kWindow}});
  const RollingProgram mix = Make({{.function = F::kCountRows, .over_us = kWindow},
                                   {.function = F::kSum, .over_us = kWindow},
                                   {.function = F::kMax, .over_us = kWindow, .current = false},
                                   {.function = F::kStddev, .over_us = kWindow / 2},
                                   {.function = F::kLag},
                                   {.function = F::kSinceLast},
                                   {.function = F::kEwma, .half_life_us = kWindow / 4}});
  Report report;
  Compare("count, sum, mean of 10 rows", three, 10, 40, 25, &report);
  Compare("count, sum, mean of 100 rows", three, 100, 20, 6, &report);
  Compare("count, sum, mean of 5,000 rows", three, 5000, 1, 1, &report);
  Compare("seven features of 10 rows", mix, 10, 20, 70, &report);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main() { return anabranch::bench::Main(); }
