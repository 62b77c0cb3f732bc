#include "topologies/operate/model_changes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace anabranch {
namespace {

using Kind = ModelChangeResult::Kind;

ModelChangeResult Ends(Kind kind, const std::string& text = "") {
  ModelChangeResult result;
  result.kind = kind;
  result.text = text;
  return result;
}

ModelChanges::Report WaitForEnd(const ModelChanges& changes, const std::string& model) {
  for (;;) {
    ModelChanges::Report report = changes.Last(model);
    if (!report.at_work()) return report;
    std::this_thread::yield();
  }
}

// Work that goes on until it is told to end, or cancelled.
class Held {
 public:
  ModelChanges::Work Work() {
    return [this](const CancelToken& cancel, const ModelChanges::Progress& progress) {
      progress("began");
      while (!ends_ && !cancel.draining()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      cancelled_ = cancel.draining();
      return Ends(Kind::kActive, "scores");
    };
  }
  void End() { ends_ = true; }
  bool cancelled() const { return cancelled_; }

 private:
  std::atomic<bool> ends_{false}, cancelled_{false};
};

TEST(ModelChanges, AModelWithoutAChangeSaysSo) {
  const ModelChanges changes;
  EXPECT_EQ(changes.Last("sum").state, "none");
  EXPECT_EQ(changes.Last("sum").change, 0);
}

TEST(ModelChanges, AnExceptionEndsTheChangeAndNotTheProcess) {
  ModelChanges changes;
  changes.Start("sum", "deploy", [](const CancelToken&, const ModelChanges::Progress&) -> ModelChangeResult {
    throw std::runtime_error("no memory is left");
  });
  ModelChanges::Report report = WaitForEnd(changes, "sum");
  EXPECT_EQ(report.state, "failed");
  ASSERT_EQ(report.reasons.size(), 1u);
  EXPECT_NE(report.reasons[0].find("no memory is left"), std::string::npos) << report.reasons[0];
  changes.Start("sum", "deploy",
                [](const CancelToken&, const ModelChanges::Progress&) -> ModelChangeResult { throw 7; });
  EXPECT_EQ(WaitForEnd(changes, "sum").state, "failed");
}

TEST(ModelChanges, OneChangeOfAModelAtATimeAndOthersBesideIt) {
  Held held;
  ModelChanges changes;
  EXPECT_EQ(changes.Start("sum", "deploy", held.Work()), 1);
  EXPECT_EQ(changes.Start("sum", "rollback", held.Work()), std::nullopt);
  EXPECT_TRUE(changes.Last("sum").at_work());
  EXPECT_EQ(changes.Last("sum").action, "deploy");
  const auto at_once = [](const CancelToken&, const ModelChanges::Progress&) { return Ends(Kind::kHeld); };
  EXPECT_EQ(changes.Start("other", "hold", at_once), 2);
  EXPECT_EQ(WaitForEnd(changes, "other").state, "done");
  held.End();
  const ModelChanges::Report report = WaitForEnd(changes, "sum");
  EXPECT_EQ(report.state, "done");
  EXPECT_EQ(report.lines, (std::vector<std::string>{"began", "scores"}));
  EXPECT_EQ(changes.Start("sum", "rollback", at_once), 3);
  EXPECT_EQ(WaitForEnd(changes, "sum").action, "rollback");
}

TEST(ModelChanges, TheEndOfAChangeIsReportedWithItsReasons) {
  ModelChanges changes;
  (void)changes.Start("sum", "deploy", [](const CancelToken&, const ModelChanges::Progress&) {
    ModelChangeResult result = Ends(Kind::kRefused, "refused");
    result.reasons = {"latency: 3 ms"};
    result.remarks = {"a remark"};
    return result;
  });
  ModelChanges::Report report = WaitForEnd(changes, "sum");
  EXPECT_EQ(report.state, "refused");
  EXPECT_EQ(report.reasons, (std::vector<std::string>{"latency: 3 ms"}));
  EXPECT_EQ(report.lines, (std::vector<std::string>{"refused", "a remark"}));
  (void)changes.Start("sum", "promote", [](const CancelToken&, const ModelChanges::Progress&) {
    ModelChangeResult result = Ends(Kind::kFailed);
    result.status = {Code::kRetry, "another change was faster"};
    return result;
  });
  report = WaitForEnd(changes, "sum");
  EXPECT_EQ(report.state, "failed");
  EXPECT_EQ(report.reasons, (std::vector<std::string>{"another change was faster"}));
}

TEST(ModelChanges, AChangeEndsWithTheirOwner) {
  Held held;
  {
    ModelChanges changes;
    (void)changes.Start("sum", "deploy", held.Work());
  }
  EXPECT_TRUE(held.cancelled());
}

TEST(ModelChanges, AChangeThatSaysTooMuchIsCut) {
  ModelChanges changes;
  (void)changes.Start("sum", "deploy", [](const CancelToken&, const ModelChanges::Progress& progress) {
    for (int n = 0; n < 10'000; ++n) progress(std::string(10'000, 'x'));
    return Ends(Kind::kActive);
  });
  const ModelChanges::Report report = WaitForEnd(changes, "sum");
  EXPECT_LE(report.lines.size(), 200U);
  EXPECT_LE(report.lines.front().size(), 2010U);
}

}  // namespace
}  // namespace anabranch
