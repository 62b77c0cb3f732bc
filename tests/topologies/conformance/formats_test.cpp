#include <gtest/gtest.h>

#include "tests/conformance/format_suite.h"
#include "tests/topologies/cases/case_files.h"

namespace anabranch {
namespace {

std::string JsonPayload(const std::vector<FormatCase::Field>& fields) {
  std::string text;
  for (const auto& [name, value] : fields)
    text += (text.empty() ? "{\"" : ",\"") + name + "\":" + value.value_or("null");
  return text + "}";
}

// A JSON string becomes a quoted cell.
std::string CsvPayload(const std::vector<FormatCase::Field>& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    if (&name != &fields[0].first) text += ',';
    if (!value) continue;
    if ((*value)[0] != '"') {
      text += *value;
      continue;
    }
    text += '"';
    for (size_t i = 1; i + 1 < value->size(); ++i) {
      if ((*value)[i] == '\\') ++i;
      text += (*value)[i] == '"' ? "\"\"" : std::string(1, (*value)[i]);
    }
    text += '"';
  }
  return text;
}

std::vector<FormatCase> Cases() {
  return {
      {"csv", {}, CsvPayload, {"a,b", "a,1,1.5,true,\"open", "\xff,1,1.5,true,x", "1,2,3,4,5,6,7"}},
      {"json", {}, JsonPayload, {"", "null", "[1]", "{\"id\":", "{\"id\":\"\xff\"}", "{\"id\":\"a\"} {}", "not JSON"}},
  };
}

class BuiltInFormat : public testing::TestWithParam<FormatCase> {
 protected:
  const Format& format() const { return *WholeRegistry().FindFormat(GetParam().name); }
};

TEST_P(BuiltInFormat, HasACompleteSpec) { CheckFormatSpec(format()); }
TEST_P(BuiltInFormat, ReadsBackWhatWasEncoded) { CheckRoundTrip(format(), GetParam()); }
TEST_P(BuiltInFormat, FailsABadPayloadAlone) { CheckBadInput(format(), GetParam()); }
TEST_P(BuiltInFormat, GivesTheSameInEveryBatch) { CheckBatches(format(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, BuiltInFormat, testing::ValuesIn(Cases()),
                         [](const auto& made) { return made.param.name; });

TEST(BuiltInFormats, AreAllTested) {
  std::vector<std::string> tested;
  for (const FormatCase& each : Cases()) tested.push_back(each.name);
  EXPECT_EQ(tested, WholeRegistry().FormatNames());
}

}  // namespace
}  // namespace anabranch
