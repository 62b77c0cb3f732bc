#include "topologies/trial/test_runner.h"

#include <algorithm>
#include <set>

#include "engine/clock.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kMostRecordsTwice = 100;
constexpr size_t kMostWays = 5;

bool Repeats(const TestCase& test) {
  for (size_t i = 0; i < test.plan->nodes.size(); ++i) {
    const bool replaced = test.options.nodes.contains(StageId(test.plan->sources.size() + i));
    if (!replaced && !test.plan->nodes[i].program->deterministic()) return false;
  }
  return true;
}

bool SameRow(const TrialRow& a, const TrialRow& b) {
  return a.record == b.record && a.key == b.key && a.value == b.value && a.headers == b.headers &&
         a.timestamp_ms == b.timestamp_ms;
}

// The first column that is another in the second trial; empty: none is.
std::string OtherColumn(const Plan& plan, const TrialResult& one, const TrialResult& other, size_t record) {
  const TrialStory& a = one.stories[record];
  const TrialStory& b = other.stories[record];
  for (ColumnId column = 0; column < plan.columns.size() && a.cells.size() == b.cells.size(); ++column) {
    if (a.cells.empty() || a.cells[column] == b.cells[column]) continue;
    return "node \"" + plan.columns[column].maker + "\" makes " + plan.columns[column].name + " = " +
           std::string(CutText(a.cells[column], 60)) + " in one batch and " +
           std::string(CutText(b.cells[column], 60)) + " alone";
  }
  return "the results have other bytes";
}

// True: a secret was in the text.
bool Hide(const std::vector<std::string>& secrets, std::string* text) {
  bool found = false;
  for (const std::string& secret : secrets) {
    for (size_t at = text->find(secret); at != std::string::npos; at = text->find(secret, at)) {
      text->replace(at, secret.size(), "***");
      at += 3;
      found = true;
    }
  }
  return found;
}

bool Holds(const std::vector<std::string>& secrets, RecordedValue value) {
  bool found = Hide(secrets, &value.text);
  for (std::string& item : value.items) found = Hide(secrets, &item) || found;
  return found;
}

// A record that was given a secret may hold it: it is neither shown nor written into the file.
void HideSecrets(const std::vector<std::string>& secrets, TestOutcome* outcome) {
  if (secrets.empty()) return;
  for (Difference& each : outcome->differences) {
    Hide(secrets, &each.expected);
    Hide(secrets, &each.actual);
    if (each.at->secret) each.actual = "another value";
    if (each.at->secret || Holds(secrets, each.recorded.value)) each.recorded = {};
  }
  for (std::string& way : outcome->ways) Hide(secrets, &way);
  const auto holds = [&](const Recorded& each) { return Holds(secrets, each.value); };
  if (std::ranges::any_of(outcome->everything, holds)) outcome->everything.clear();
}

// A case must give the same whatever stands beside a row.
std::vector<Difference> CompareTrials(const TestCase& test, const TrialResult& one, const TrialResult& other) {
  std::vector<Difference> found;
  if (!other.status.ok()) {
    found = JudgeTrial(test, other);  // that a stage stopped
    for (Difference& each : found) each.expected = "row by row, " + each.expected;
    return found;
  }
  const auto say = [&](size_t record) {
    Difference difference;
    difference.at = test.at;
    difference.expected =
        GivenName(test, test.GivenOf(record)) +
        " gives another result beside other records than alone: " + OtherColumn(*test.plan, one, other, record);
    difference.record = record;
    found.push_back(std::move(difference));
  };
  for (TargetId target = 0; target < one.rows.size() && found.empty(); ++target) {
    const std::vector<const TrialRow*> a = RowsInOrder(one, target);
    const std::vector<const TrialRow*> b = RowsInOrder(other, target);
    for (size_t i = 0; i < std::max(a.size(), b.size()) && found.empty(); ++i) {
      const bool same = i < a.size() && i < b.size() && SameRow(*a[i], *b[i]);
      if (!same) say(i < a.size() ? a[i]->record : b[i]->record);
    }
  }
  return found;
}

}  // namespace

TestOutcome TestRunner::Run(const TestCase& test) {
  const int64_t begin = Clock::Real().NowNs();
  std::unique_ptr<Trials>& trials = trials_[test.plan];
  if (trials == nullptr) trials = std::make_unique<Trials>(*test.plan);
  TrialOptions options = test.options;
  if (!options.wall_ms) options.wall_ms = Clock::Real().WallMs();
  options.explain = settings_.coverage;
  options.cancel = settings_.cancel;
  options.batch_rows = static_cast<uint32_t>(std::clamp<size_t>(test.records.size(), 1, test.plan->batch.max_rows));
  const TrialResult result = trials->Run(test.records, options);
  if (settings_.coverage) coverage_.Add(test, result);
  TestOutcome outcome;
  outcome.differences = JudgeTrial(test, result);
  const bool twice = !settings_.once && result.status.ok() && test.records.size() > 1 &&
                     test.records.size() <= kMostRecordsTwice && Repeats(test);
  if (twice) {
    options.batch_rows = 1;
    options.explain = false;
    const TrialResult alone = trials->Run(test.records, options);
    for (Difference& each : CompareTrials(test, result, alone)) outcome.differences.push_back(std::move(each));
  }
  std::set<size_t> shown;
  for (const Difference& difference : outcome.differences) {
    if (!difference.record || shown.size() == kMostWays || !shown.insert(*difference.record).second) continue;
    outcome.ways.push_back(GivenName(test, test.GivenOf(*difference.record)) + ": " +
                           WayOf(test, result, *difference.record));
  }
  const bool expects = !test.rows.empty() || test.letters.at != nullptr || !test.cells.empty() || !test.counts.empty();
  if (!expects && result.status.ok()) outcome.everything = RecordAll(test, result);
  HideSecrets(test.secrets, &outcome);
  outcome.elapsed_ns = Clock::Real().NowNs() - begin;
  return outcome;
}

}  // namespace anabranch
