#include "topologies/trial/pair_rows.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace anabranch {
namespace {

// Up to this many comparisons the best pairs are searched; for longer lists the first ones that fit are taken.
constexpr size_t kMostComparisons = 250'000;

// Indices of two lists, ends exclusive.
struct Stretch {
  size_t begin = 0, end = 0;  // expected
  size_t actual_begin = 0, actual_end = 0;
};

using Pairs = std::vector<std::pair<size_t, size_t>>;

// The longest common subsequence, ascending.
Pairs LongestCommon(const Stretch& of, const Alike& alike) {
  const size_t rows = of.end - of.begin, columns = of.actual_end - of.actual_begin;
  if (rows == 0 || columns == 0 || rows * columns > kMostComparisons) return {};
  std::vector<std::vector<uint32_t>> longest(rows + 1, std::vector<uint32_t>(columns + 1, 0));
  std::vector<std::vector<bool>> same(rows, std::vector<bool>(columns, false));
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      same[i][j] = alike(of.begin + i, of.actual_begin + j);
      longest[i][j] = same[i][j] ? longest[i + 1][j + 1] + 1 : std::max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  Pairs pairs;
  for (size_t i = 0, j = 0; i < rows && j < columns;) {
    if (same[i][j]) {
      pairs.emplace_back(of.begin + i++, of.actual_begin + j++);
    } else {
      longest[i + 1][j] >= longest[i][j + 1] ? ++i : ++j;
    }
  }
  return pairs;
}

// Pairs by the first rule, and the stretches between those pairs by the next ones.
void PairStretch(Stretch of, std::vector<Alike> rules, Partners* partners) {
  if (rules.empty()) {
    while (of.begin < of.end && of.actual_begin < of.actual_end) (*partners)[of.begin++] = of.actual_begin++;
    return;
  }
  const Alike rule = std::move(rules.front());
  rules.erase(rules.begin());
  while (of.begin < of.end && of.actual_begin < of.actual_end && rule(of.begin, of.actual_begin)) {
    (*partners)[of.begin++] = of.actual_begin++;
  }
  while (of.begin < of.end && of.actual_begin < of.actual_end && rule(of.end - 1, of.actual_end - 1)) {
    (*partners)[--of.end] = --of.actual_end;
  }
  Stretch between = of;
  for (const auto& [expected, actual] : LongestCommon(of, rule)) {
    (*partners)[expected] = actual;
    between.end = expected;
    between.actual_end = actual;
    PairStretch(between, rules, partners);
    between.begin = expected + 1;
    between.actual_begin = actual + 1;
  }
  between.end = of.end;
  between.actual_end = of.actual_end;
  PairStretch(between, rules, partners);
}

// How many differ, are missing or are too many.
size_t Differing(const Partners& partners, size_t actual, const Alike& equal) {
  size_t paired = 0, same = 0;
  for (size_t i = 0; i < partners.size(); ++i) {
    paired += partners[i] ? 1 : 0;
    same += partners[i] && equal(i, *partners[i]) ? 1 : 0;
  }
  return partners.size() + actual - paired - same;
}

// Finds partners so that as many as possible have one: a pair gives way where its expected thing has another choice.
class Matching {
 public:
  Matching(size_t expected, size_t actual, Partners* partners) : partners_(*partners), taken_(actual) {
    for (size_t i = 0; i < expected; ++i) {
      if (partners_[i]) taken_[*partners_[i]] = i;
    }
  }

  void Pair(const Alike& alike) {
    const bool search = partners_.size() * taken_.size() <= kMostComparisons;
    known_.assign(search ? partners_.size() * taken_.size() : 0, Known::kNotAsked);
    const std::vector<std::optional<size_t>> fixed = taken_;
    for (size_t i = 0; i < partners_.size(); ++i) {
      if (partners_[i]) continue;
      std::vector<bool> tried(taken_.size(), false);
      for (size_t j = 0; j < taken_.size(); ++j) tried[j] = fixed[j].has_value();
      if (search) {
        (void)Find(i, alike, &tried);
      } else {
        TakeFirst(i, alike);
      }
    }
  }

  void PairRest() {
    size_t next = 0;
    for (size_t i = 0; i < partners_.size(); ++i) {
      if (partners_[i]) continue;
      while (next < taken_.size() && taken_[next]) ++next;
      if (next == taken_.size()) return;
      Take(i, next);
    }
  }

 private:
  enum class Known : uint8_t { kNotAsked, kNo, kYes };

  void Take(size_t expected, size_t actual) {
    partners_[expected] = actual;
    taken_[actual] = expected;
  }

  void TakeFirst(size_t expected, const Alike& alike) {
    for (size_t j = 0; j < taken_.size(); ++j) {
      if (!taken_[j] && alike(expected, j)) return Take(expected, j);
    }
  }

  bool AreAlike(size_t expected, size_t actual, const Alike& alike) {
    Known& known = known_[expected * taken_.size() + actual];
    if (known == Known::kNotAsked) known = alike(expected, actual) ? Known::kYes : Known::kNo;
    return known == Known::kYes;
  }

  // At most as deep as there are things to choose from: each call marks one more as tried.
  bool Find(size_t expected, const Alike& alike, std::vector<bool>* tried) {
    for (size_t j = 0; j < taken_.size(); ++j) {
      if ((*tried)[j] || !AreAlike(expected, j, alike)) continue;
      (*tried)[j] = true;
      if (taken_[j] && !Find(*taken_[j], alike, tried)) continue;
      Take(expected, j);
      return true;
    }
    return false;
  }

  Partners& partners_;
  std::vector<std::optional<size_t>> taken_;  // by index of what is there: its expected thing
  std::vector<Known> known_;
};

}  // namespace

Partners PairInOrder(size_t expected, size_t actual, const Alike& equal, const Alike& alike) {
  Partners in_place(expected), shifted(expected);
  PairStretch({0, expected, 0, actual}, {}, &in_place);
  PairStretch({0, expected, 0, actual}, {equal, alike}, &shifted);
  return Differing(in_place, actual, equal) <= Differing(shifted, actual, equal) ? in_place : shifted;
}

Partners PairInAnyOrder(size_t expected, size_t actual, const Alike& equal, const Alike& alike, bool rest) {
  Partners partners(expected);
  Matching matching(expected, actual, &partners);
  matching.Pair(equal);
  matching.Pair(alike);
  if (rest) matching.PairRest();
  return partners;
}

}  // namespace anabranch
