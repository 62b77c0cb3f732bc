#include <gtest/gtest.h>

#include "engine/restart/failure.h"

namespace anabranch {
namespace {

Failure Sample() {
  Failure failure;
  failure.stage = "score";
  failure.error_class = ErrorClass::kStage;
  failure.message = "the model's \"input\"\nis gone";
  failure.attempts = 4;
  failure.at_ms = 1'700'000'000'123;
  failure.records = {"payments/0/17", "payments/3/9"};
  failure.kept_rows = 512;
  failure.kept_bytes = int64_t{1} << 40;
  failure.plan = {"pay@0123456789ab", "pay.g2", false, {}};
  failure.plan.stages.push_back({"in", "source", "f0", "f0", {}, "kafka {\"topics\":[\"payments\"]}", ""});
  failure.plan.stages.push_back({"out", "persist", "f1-m1", "c1", {"in"}, "", "kafka:main kafka topic scored"});
  return failure;
}

TEST(FailureText, EachClassHasATextOfItsOwn) {
  for (int i = 0; i <= static_cast<int>(ErrorClass::kLostPosition); ++i) {
    const auto each = static_cast<ErrorClass>(i);
    const Result<ErrorClass> read = ErrorClassFrom(TextOf(each));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, each);
  }
  EXPECT_EQ(ErrorClassFrom("cold").status().code(), Code::kInvalid);
}

TEST(FailureText, BringsBackWhatWasWritten) {
  const std::string text = PrintFailure(Sample());
  const Result<Failure> read = ParseFailure(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(PrintFailure(*read), text);
  EXPECT_EQ(read->stage, "score");
  EXPECT_EQ(read->message, Sample().message);
  EXPECT_EQ(read->attempts, 4);
  EXPECT_EQ(read->at_ms, 1'700'000'000'123);
  EXPECT_EQ(read->records, Sample().records);
  EXPECT_EQ(read->kept_bytes, int64_t{1} << 40);
  EXPECT_FALSE(read->plan.exactly_once);
  ASSERT_EQ(read->plan.stages.size(), 2u);
  EXPECT_EQ(read->plan.stages[1].inputs, std::vector<std::string>{"in"});
  EXPECT_EQ(read->plan.stages[1].target, "kafka:main kafka topic scored");
  EXPECT_EQ(read->plan.stages[0].position_owner, Sample().plan.stages[0].position_owner);
}

TEST(FailureText, WritesAMessageThatIsNoUtf8) {
  Failure failure = Sample();
  failure.message = "value \xff\xfe";
  const Result<Failure> read = ParseFailure(PrintFailure(failure));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->message.substr(0, 6), "value ");
}

TEST(FailureText, RefusesWhatIsNone) {
  const std::string text = PrintFailure(Sample());
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(ParseFailure(text.substr(0, length)).status().code(), Code::kInvalid) << length;
  }
  std::string wrong = text;
  wrong.replace(wrong.find("\"attempts\":4"), 12, "\"attempts\":\"\"");
  EXPECT_EQ(ParseFailure(wrong).status().code(), Code::kInvalid);
  EXPECT_EQ(ParseFailure("[]").status().code(), Code::kInvalid);
  EXPECT_EQ(ParseFailure("{}").status().code(), Code::kInvalid);
}

}  // namespace
}  // namespace anabranch
