#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "tests/topologies/cases/case_files.h"

// Files that are made to hurt: each gets a clear fault or works, in bounded time and memory.

namespace anabranch {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlower = 10;
#else
constexpr double kSlower = 1;
#endif
constexpr int64_t kMaxMemoryKib = 1'500'000;  // of the whole test process

const char kHead[] = R"({"anabranch": 1, "name": "hostile",
  "schemas": {"s": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "x": {"type": "number"}}}},
  "sources": {"in": {"file": {"path": "in.jsonl"}, "format": "json", "schema": "s", "key": {"field": "id"}}},
  "nodes": {)";
const char kOut[] =
    R"("out": {"kind": "persist", "inputs": ["last"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["x"]}}})";

std::string Transform(const std::string& id, const std::string& input, const std::string& expression = "x + 1") {
  return "\"" + id + "\": {\"kind\": \"transform\", \"inputs\": [\"" + input + "\"], \"set\": {\"c_" + id + "\": \"" +
         expression + "\"}},\n";
}

std::string Chain(int nodes) {
  std::string text = kHead;
  std::string input = "in";
  for (int i = 0; i < nodes; ++i) {
    std::string id = i + 1 == nodes ? "last" : "n" + std::to_string(i);
    text += Transform(id, input);
    input = id;
  }
  return text + kOut;
}

CheckedTopology CheckWithin(const std::string& text, double seconds) {
  auto start = std::chrono::steady_clock::now();
  CheckedTopology checked = CheckTopologyText(CasesRoot() + "/hostile.json", text, WholeRegistry(), CaseOptions());
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), seconds * kSlower);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  EXPECT_LT(usage.ru_maxrss, kMaxMemoryKib * kSlower);
  return checked;
}

bool Has(const CheckedTopology& checked, FaultCode code) {
  return std::any_of(checked.faults.begin(), checked.faults.end(), [&](const Fault& f) { return f.code == code; });
}

TEST(HostileFile, OfAThousandNodesIsCheckedWithinASecond) {
  CheckedTopology checked = CheckWithin(Chain(1000), 1.0);
  EXPECT_TRUE(checked.ok()) << Describe(checked.faults);
}

TEST(HostileFile, OfTenThousandNodesIsCheckedInBoundedTime) {
  CheckedTopology checked = CheckWithin(Chain(9999), 60);
  EXPECT_TRUE(checked.ok()) << Describe(checked.faults).substr(0, 2000);
}

TEST(HostileFile, OfMoreThanTenThousandNodesIsRefused) {
  CheckedTopology checked = CheckWithin(Chain(20000), 10);
  EXPECT_FALSE(checked.ok());
  EXPECT_TRUE(Has(checked, FaultCode::kTooLarge)) << Describe(checked.faults).substr(0, 2000);
}

TEST(HostileFile, WithACycleOfAThousandNodesIsToldWithinASecond) {
  std::string text = Chain(1000);
  size_t at = text.find("\"inputs\": [\"in\"]");
  text.replace(at, 16, "\"inputs\": [\"in\", \"last\"]");
  CheckedTopology checked = CheckWithin(text, 1.0);
  EXPECT_TRUE(Has(checked, FaultCode::kCycle));
}

TEST(HostileFile, WhereEveryNodeReadsEveryOtherIsToldInBoundedTime) {
  constexpr int kNodes = 300;
  std::string inputs = "\"in\"";
  for (int i = 0; i < kNodes; ++i) inputs += ", \"n" + std::to_string(i) + "\"";
  std::string text = kHead;
  for (int i = 0; i < kNodes; ++i) {
    text += "\"n" + std::to_string(i) + "\": {\"kind\": \"transform\", \"inputs\": [" + inputs + "], \"set\": {\"c" +
            std::to_string(i) + "\": \"x\"}},\n";
  }
  CheckedTopology checked = CheckWithin(text + Transform("last", "n0") + kOut, 10);
  EXPECT_TRUE(Has(checked, FaultCode::kCycle));
}

TEST(HostileFile, OfTenMegabytesInOneStringWorks) {
  std::string text = Chain(1);
  text.insert(1, "\"description\": \"" + std::string(10 << 20, 'x') + "\", ");
  EXPECT_TRUE(CheckWithin(text, 5).ok());
}

TEST(HostileFile, OfTenMegabytesOfKeysIsToldInBoundedTime) {
  std::string members;
  for (int i = 0; members.size() < (10u << 20); ++i)
    members += "\"a_key_of_some_length_" + std::to_string(i) + "\": 1,\n";
  CheckedTopology checked = CheckWithin("{" + members + Chain(1).substr(1), 30);
  EXPECT_TRUE(Has(checked, FaultCode::kUnknownKey));
}

TEST(HostileFile, OfMoreThanSixteenMegabytesIsRefused) {
  std::string text = Chain(1) + std::string(17 << 20, ' ');
  CheckedTopology checked = CheckWithin(text, 5);
  EXPECT_FALSE(checked.ok());
  EXPECT_TRUE(Has(checked, FaultCode::kTooLarge)) << Describe(checked.faults);
}

TEST(HostileFile, NestedAHundredThousandDeepIsRefused) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string text = Chain(1);
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += open;
    text.insert(1, "\"x-deep\": " + deep);
    CheckedTopology checked = CheckWithin(text, 5);
    EXPECT_FALSE(checked.ok());
    EXPECT_TRUE(Has(checked, FaultCode::kTooLarge)) << Describe(checked.faults);
  }
}

TEST(HostileFile, WithAByteOrderMarkWorks) { EXPECT_TRUE(CheckWithin("\xef\xbb\xbf" + Chain(1), 5).ok()); }

TEST(HostileFile, WithNulOrInvalidUtf8GetsASyntaxFault) {
  const std::string good = Chain(1);
  const size_t inside = good.find("hostile") + 2;
  const std::pair<const char*, std::string> texts[] = {
      {"NUL in a string", std::string(good).insert(inside, std::string(1, '\0'))},
      {"NUL between values", std::string(good).insert(1, std::string(1, '\0'))},
      {"lone continuation byte", std::string(good).insert(inside, "\x80")},
      {"overlong slash", std::string(good).insert(inside, "\xc0\xaf")},
      {"surrogate", std::string(good).insert(inside, "\xed\xa0\x80")},
      {"cut sequence", std::string(good).insert(inside, "\xe2\x82")},
      {"control character", std::string(good).insert(inside, "\x01")},
      {"lone escaped surrogate", std::string(good).insert(inside, "\\ud800")},
      {"UTF-16", std::string("\xff\xfe{\0", 4)},
  };
  for (const auto& [what, text] : texts) {
    CheckedTopology checked = CheckWithin(text, 5);
    EXPECT_FALSE(checked.ok()) << what;
    EXPECT_TRUE(Has(checked, FaultCode::kSyntax)) << what << "\n" << Describe(checked.faults);
  }
}

TEST(HostileFile, WithHugeNumbersGetsAFaultAtTheNumber) {
  for (const char* number : {"1e999", "-1e999", "99999999999999999999999999", "1e308"}) {
    std::string text = Chain(1);
    text.insert(1, "\"batch\": {\"max_rows\": " + std::string(number) + "}, ");
    CheckedTopology checked = CheckWithin(text, 5);
    ASSERT_FALSE(checked.faults.empty()) << number;
    EXPECT_FALSE(checked.ok()) << number;
    EXPECT_EQ(checked.faults.front().place.column, 24u) << number << "\n" << Describe(checked.faults);
  }
  std::string digits = Chain(1);
  digits.insert(1, "\"x-long\": " + std::string(1 << 20, '9') + ", ");
  CheckWithin(digits, 5);
}

TEST(HostileFile, WithADeepExpressionIsToldInBoundedTime) {
  const std::pair<char, const char*> texts[] = {{'(', "x"}, {'-', "x"}, {'!', "true"}};
  for (const auto& [open, last] : texts) {
    std::string expression(100000, open);
    expression += last;
    if (open == '(') expression.append(100000, ')');
    CheckedTopology checked = CheckWithin(kHead + Transform("last", "in", expression) + kOut, 5);
    EXPECT_FALSE(checked.ok());
  }
  std::string sum = "x";
  for (int i = 0; i < 100000; ++i) sum += "+x";
  CheckWithin(kHead + Transform("last", "in", sum) + kOut, 5);
}

TEST(HostileFile, OfOnlyRepeatedKeysIsToldInBoundedTime) {
  std::string members;
  for (int i = 0; i < 200000; ++i) members += "\"name\": \"a\",\n";
  CheckedTopology checked = CheckWithin("{" + members + Chain(1).substr(1), 10);
  EXPECT_TRUE(Has(checked, FaultCode::kDuplicateKey));
}

TEST(HostileFile, CutAnywhereNeverCrashes) {
  const std::string text = ReadText(ANABRANCH_ROOT "/examples/digits/topology.json");
  ASSERT_FALSE(text.empty());
  for (size_t length = 0; length < text.size(); length += 7) {
    CheckedTopology checked =
        CheckTopologyText(CasesRoot() + "/hostile.json", text.substr(0, length), WholeRegistry(), CaseOptions());
    const size_t end = text.find_last_of('}');
    EXPECT_TRUE(length > end || !checked.ok()) << length;
  }
}

}  // namespace
}  // namespace anabranch
