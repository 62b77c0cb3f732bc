#include <gtest/gtest.h>

#include "tests/topologies/cases/case_files.h"
#include "topologies/language/plan_text.h"

// What `sources.NAME.time` becomes in the plan; its faults are cases of tests/cases/faulty.

namespace anabranch {
namespace {

std::string EventTimeFile() { return CasesRoot() + "/valid/event_time/topology.json"; }

// The valid case with `from` replaced.
CheckedTopology WithTime(const std::string& from, const std::string& to) {
  std::string text = ReadText(EventTimeFile());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return CheckTopologyText(EventTimeFile(), text.replace(at, from.size(), to), WholeRegistry(), CaseOptions());
}

TEST(TimeOfASource, IsReadAsItStandsThere) {
  const CheckedTopology checked = CheckTopology(EventTimeFile(), WholeRegistry(), CaseOptions());
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const auto& sources = checked.plan->sources;
  ASSERT_EQ(sources.size(), 5u);
  const auto name_of = [&](size_t source) { return checked.plan->columns[*sources[source].time->field].name; };
  ASSERT_TRUE(sources[0].time && sources[1].time && sources[2].time && sources[3].time);
  EXPECT_EQ(name_of(0), "at");
  EXPECT_EQ(sources[0].time->lateness_us, 30'000'000);
  EXPECT_EQ(sources[0].time->max_ahead_us, 3'600'000'000);
  EXPECT_EQ(name_of(1), "sent");
  EXPECT_EQ(name_of(2), "ms");
  EXPECT_EQ(sources[2].time->lateness_us, 250'000);
  EXPECT_FALSE(sources[3].time->field);
  EXPECT_EQ(sources[3].time->lateness_us, 0) << "the default of the reference";
  EXPECT_EQ(sources[3].time->max_ahead_us, 300'000'000) << "the default of the reference";
  EXPECT_FALSE(sources[4].time);
}

TEST(TimeOfASource, ChangesTheFingerprintByItsFieldOnly) {
  const CheckedTopology before = CheckTopology(EventTimeFile(), WholeRegistry(), CaseOptions());
  ASSERT_TRUE(before.ok()) << Describe(before.faults);
  const auto fingerprint = [](const CheckedTopology& checked) { return checked.plan->sources[0].fingerprint; };
  const std::string time = R"("time": {"field": "at", "lateness": "30s", "max_ahead": "1h"})";
  const CheckedTopology later = WithTime(time, R"("time": {"field": "at", "lateness": "1d", "max_ahead": "0s"})");
  const CheckedTopology other = WithTime(time, R"("time": {"field": "sent"})");
  const CheckedTopology none = WithTime(",\n                " + time, "");
  ASSERT_TRUE(later.ok() && other.ok() && none.ok())
      << Describe(later.faults) << Describe(other.faults) << Describe(none.faults);
  EXPECT_EQ(fingerprint(later), fingerprint(before));
  EXPECT_NE(fingerprint(other), fingerprint(before));
  EXPECT_NE(fingerprint(none), fingerprint(before));
}

TEST(TimeOfASource, IsExplained) {
  const CheckedTopology checked = CheckTopology(EventTimeFile(), WholeRegistry(), CaseOptions());
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const std::string text = ExplainPlan(*checked.plan);
  EXPECT_NE(text.find("event time: field at, at most 1h ahead of the clock; the watermark is 30s behind the greatest"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("event time: the record's timestamp, at most 5m"), std::string::npos) << text;
}

}  // namespace
}  // namespace anabranch
