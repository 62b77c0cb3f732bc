#include "topologies/operate/tap_hub.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/testing/manual_clock.h"
#include "tests/topologies/operate/operated_run.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

const TapViewer kEverything{"", true};
constexpr char kProperties[] =
    R"("id": {"type": "string"}, "amount": {"type": "number"}, "country": {"type": "string"})";
constexpr char kNodes[] = R"(
    "rate": {"kind": "transform", "inputs": ["in"], "where": "amount >= 0",
             "set": {"risk": "amount / 10", "flag": "amount > 50"}},
    "check": {"kind": "validate", "inputs": ["rate"], "rules": {"small": "amount < 1000"}},
    "out": {"kind": "persist", "inputs": ["check"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["risk", "flag"]})";

class Taps : public OperatedRun {
 protected:
  void SetUp() override {
    OperatedRun::SetUp();
    Check(kProperties, kNodes);
    hub_.Use(checked_.plan);
  }

  void WriteAmounts(int rows, int step = 1) {
    std::string lines;
    for (int i = 0; i < rows; ++i) {
      lines += R"({"id":"r)" + std::to_string(i) + R"(","amount":)" + std::to_string(i * step) +
               R"(,"country":"DE"})"
               "\n";
    }
    Write(lines);
  }

  std::string Opened(const TapRequest& request) {
    const Result<std::string> id = hub_.Open(request, kEverything);
    EXPECT_TRUE(id.ok()) << id.status().message();
    return id.ok() ? *id : "";
  }
  std::string Refused(const TapRequest& request) {
    const Result<std::string> id = hub_.Open(request);
    EXPECT_FALSE(id.ok());
    return id.status().message();
  }
  Json Seen(const std::string& id, int64_t after = 0) {
    const Result<std::string> text = hub_.Read(id, after, kEverything);
    EXPECT_TRUE(text.ok()) << text.status().message();
    return Json::parse(text.ok() ? *text : "{}");
  }
  void RunIt() {
    std::filesystem::remove(folder_ / "out.jsonl");  // each run has a state of its own
    const RunSummary summary = Run([this](const RecordBatch& batch) { hub_.Offer(batch); });
    ASSERT_TRUE(summary.status.ok()) << summary.status.message();
  }

  ManualClock clock_;
  TapHub hub_{clock_};
};

TEST_F(Taps, AreForThoseWhoOpenedThem) {
  const TapViewer otto{"otto", true}, rita{"rita", false};
  const Result<std::string> plain = hub_.Open({}, rita), reveals = hub_.Open({.reveal = true}, otto);
  ASSERT_TRUE(plain.ok() && reveals.ok());
  EXPECT_TRUE(hub_.Read(*plain, 0, rita).ok());
  EXPECT_TRUE(hub_.Read(*reveals, 0, otto).ok());
  for (const auto& [id, viewer] : {std::pair(*plain, otto), std::pair(*reveals, rita)}) {
    EXPECT_EQ(hub_.Read(id, 0, viewer).status().code(), Code::kInvalid);
    EXPECT_FALSE(hub_.Close(id, viewer));
  }
  // Of one name, but with a token that may only read.
  EXPECT_FALSE(hub_.Read(*reveals, 0, {"otto", false}).ok());
  EXPECT_TRUE(hub_.Close(*plain, rita));
  EXPECT_FALSE(hub_.Close(*plain, rita));
}

TEST_F(Taps, ShowWhatANodeReadAndMade) {
  WriteAmounts(3, 40);
  const std::string id = Opened({.nodes = {"rate"}});
  RunIt();
  const Json seen = Seen(id);
  EXPECT_EQ(seen["seen"], 3);
  EXPECT_EQ(seen["matched"], 3);
  EXPECT_EQ(seen["dropped"], 0);
  ASSERT_EQ(seen["rows"].size(), 3u);
  const Json row = seen["rows"][2];
  EXPECT_EQ(row["seq"], 3);
  EXPECT_EQ(row["node"], "rate");
  EXPECT_EQ(row["topic"], "file:in");
  EXPECT_EQ(row["before"], (Json{{"amount", 80}}));
  EXPECT_EQ(row["after"], (Json{{"risk", 8}, {"flag", true}}));
  EXPECT_EQ(row["outcome"], "ok");
  EXPECT_EQ(row["outcomes"], (Json{{"in", "ok"}, {"rate", "ok"}, {"check", "ok"}, {"out", "ok"}}));
  EXPECT_EQ(row["headers"], Json::array());
  // What was read is forgotten.
  EXPECT_EQ(seen["next"], 3);
  EXPECT_TRUE(Seen(id, 2)["rows"].size() == 1);
  EXPECT_TRUE(Seen(id, 3)["rows"].empty());
}

TEST_F(Taps, ShowWhatIsWrittenUnlessANodeIsNamed) {
  WriteAmounts(1);
  const std::string id = Opened({});
  RunIt();
  const Json row = Seen(id)["rows"][0];
  EXPECT_EQ(row["node"], "out");
  EXPECT_EQ(row["before"], Json::object());
  EXPECT_EQ(row["after"], (Json{{"risk", 0}, {"flag", false}}));
}

TEST_F(Taps, InputsAreRowsThatReachANode) {
  Write(R"({"id":"a","amount":-1}
{"id":"b","amount":2000}
)");
  const std::string inputs = Opened({.nodes = {"rate", "check"}, .at_inputs = true});
  const std::string outputs = Opened({.nodes = {"rate", "check"}});
  RunIt();
  const Json came = Seen(inputs), left = Seen(outputs);
  ASSERT_EQ(came["rows"].size(), 3u);  // both at rate, one at check
  EXPECT_EQ(came["rows"][0]["outcome"], "filtered");
  EXPECT_EQ(came["rows"][0]["after"], Json::object());
  EXPECT_EQ(came["rows"][2]["node"], "check");
  EXPECT_EQ(came["rows"][2]["outcome"], "failed");
  EXPECT_EQ(came["rows"][2]["errors"][0]["code"], "rule");
  ASSERT_EQ(left["rows"].size(), 1u);
  EXPECT_EQ(left["rows"][0]["node"], "rate");
}

TEST_F(Taps, EndAfterTheirLimit) {
  WriteAmounts(100);
  const std::string id = Opened({.nodes = {"rate"}, .where = "amount >= 10 && country == 'DE'", .limit = 5});
  RunIt();
  const Json seen = Seen(id);
  ASSERT_EQ(seen["rows"].size(), 5u);
  EXPECT_EQ(seen["rows"][0]["before"]["amount"], 10);
  EXPECT_EQ(seen["seen"], 15);  // up to the last row that is shown
  EXPECT_EQ(seen["matched"], 5);
  EXPECT_EQ(seen["done"], true);
}

TEST_F(Taps, ColumnsOfNodesAboveCanBeAskedFor) {
  WriteAmounts(1);
  const std::string id = Opened({.nodes = {"check"}, .columns = {"risk", "amount"}});
  RunIt();
  EXPECT_EQ(Seen(id)["rows"][0]["before"], (Json{{"risk", 0}, {"amount", 0}}));
}

TEST_F(Taps, WithTheRecordAsItCame) {
  Write("{\"id\":\"a\",  \"amount\":7}\n");
  const std::string id = Opened({.nodes = {"out"}, .record = true});
  RunIt();
  EXPECT_EQ(Seen(id)["rows"][0]["record"], "{\"id\":\"a\",  \"amount\":7}");
  EXPECT_EQ(Seen(id)["rows"][0]["record_key"], nullptr);
}

TEST_F(Taps, SayWhatIsWrongWithARequest) {
  EXPECT_EQ(Refused({.nodes = {"rat"}}), "there is no node or source \"rat\" in seen; did you mean \"rate\"?");
  EXPECT_NE(Refused({.columns = {"risc"}}).find("did you mean \"risk\""), std::string::npos);
  EXPECT_NE(Refused({.nodes = {"rate"}, .at_inputs = true, .columns = {"risk"}}).find("is made by rate"),
            std::string::npos);
  EXPECT_NE(Refused({.nodes = {"rate"}, .where = "amount >"}).find("where, at rate: "), std::string::npos);
  EXPECT_NE(Refused({.where = "amount + 1"}).find("is float64, not true or false"), std::string::npos);
  EXPECT_NE(Refused({.where = "amonut > 1"}).find("did you mean \"amount\""), std::string::npos);
  std::string long_one = "amount > 0";
  for (int i = 1; i < 300; ++i) long_one += " && amount != " + std::to_string(i);
  EXPECT_NE(Refused({.where = long_one.substr(0, 4000)}).find("more than 256 steps"), std::string::npos);
  EXPECT_NE(Refused({.where = long_one}).find("4096 bytes"), std::string::npos);
  EXPECT_EQ(hub_.Read("t99", 0).status().code(), Code::kInvalid);
  EXPECT_EQ(TapHub().Open({}).status().code(), Code::kUnavailable);
}

TEST_F(Taps, DropWhatTheRingDoesNotHold) {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += R"({"id":")" + std::string(10'000, 'x') + "\",\"amount\":1}\n";
  Write(lines);
  const std::string id = Opened({.nodes = {"out"}, .limit = 0, .columns = {"id"}});
  const std::string never = Opened({.nodes = {"out"}, .where = "id == ''", .limit = 0});
  RunIt();
  const Json seen = Seen(id);
  const size_t shown = seen["rows"].size();
  EXPECT_GT(shown, 50u);
  EXPECT_LT(shown, 105u);
  EXPECT_EQ(seen["seen"], 200);
  EXPECT_EQ(seen["dropped"], 200 - static_cast<int>(shown));
  EXPECT_EQ(hub_.dropped(), 200 - static_cast<int>(shown));
  EXPECT_EQ(Seen(never)["dropped"], 0);
}

TEST_F(Taps, DropOneRowThatIsTooLarge) {
  Write(R"({"id":")" + std::string(300'000, 'x') + "\",\"amount\":1}\n{\"id\":\"b\",\"amount\":1}\n");
  const std::string id = Opened({.nodes = {"out"}, .columns = {"id"}});
  RunIt();
  EXPECT_EQ(Seen(id)["rows"].size(), 1u);
  EXPECT_EQ(Seen(id)["dropped"], 1);
}

TEST_F(Taps, TheRateIsKept) {
  WriteAmounts(100);
  const std::string id = Opened({.nodes = {"rate"}, .limit = 0, .most_per_s = 10});
  RunIt();
  EXPECT_EQ(Seen(id)["matched"], 100);
  EXPECT_LE(Seen(id)["rows"].size(), 10u);
  EXPECT_EQ(Seen(id)["dropped"], 0);
}

// A clock that moves with every look at it: as if each batch took long.
class SlowClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_.fetch_add(30'000'000) + 30'000'000; }
  int64_t WallMs() const override { return 0; }

 private:
  mutable std::atomic<int64_t> now_ns_{0};
};

TEST_F(Taps, TakeNoMoreThanTheirShareOfTime) {
  WriteAmounts(5000, 0);
  const SlowClock slow;
  TapHub hub(slow);
  hub.Use(checked_.plan);
  const Result<std::string> id = hub.Open({.nodes = {"rate"}, .where = "amount < 0", .limit = 0});
  ASSERT_TRUE(id.ok());
  std::atomic<int> batches = 0;
  const RunSummary summary = Run([&](const RecordBatch& batch) {
    ++batches;
    hub.Offer(batch);
  });
  ASSERT_TRUE(summary.status.ok()) << summary.status.message();
  ASSERT_GT(batches, 1);
  const Json seen = Json::parse(*hub.Read(*id, 0));
  EXPECT_EQ(seen["seen"], 5000);
  EXPECT_GT(seen["dropped"], 0);
  EXPECT_LT(seen["dropped"], 5000);  // the first batch was looked at
}

TEST_F(Taps, EndWhenNobodyReads) {
  WriteAmounts(10);
  const std::string id = Opened({.nodes = {"rate"}});
  clock_.Advance(15'100'000'000);
  RunIt();
  EXPECT_FALSE(hub_.Read(id, 0).ok());
}

TEST_F(Taps, AreEightAtMost) {
  for (int i = 0; i < 8; ++i) Opened({});
  EXPECT_NE(Refused({}).find("8 taps are open"), std::string::npos);
  clock_.Advance(15'100'000'000);
  const std::string id = Opened({});
  hub_.Close(id);
  hub_.Close(id);
  EXPECT_FALSE(hub_.Read(id, 0).ok());
}

TEST_F(Taps, ANewSessionEndsThem) {
  WriteAmounts(3);
  const std::string id = Opened({.nodes = {"rate"}, .limit = 0});
  RunIt();
  hub_.Use(checked_.plan);
  RunIt();
  EXPECT_EQ(Seen(id)["rows"].size(), 3u);
  EXPECT_EQ(Seen(id)["done"], true);
}

TEST_F(Taps, ViewersAndLanesMeetSafely) {
  WriteAmounts(20'000, 0);
  std::atomic<bool> over = false;
  std::thread viewer([&] {
    int64_t after = 0;
    while (!over) {
      const Result<std::string> id = hub_.Open({.nodes = {"rate"}, .where = "amount >= 0", .limit = 0});
      for (int i = 0; id.ok() && i < 20; ++i) {
        const Json seen = Json::parse(*hub_.Read(*id, after));
        after = seen["next"];
      }
      if (id.ok()) hub_.Close(*id);
      after = 0;
    }
  });
  for (int i = 0; i < 3; ++i) RunIt();
  over = true;
  viewer.join();
}

class MaskedTaps : public Taps {
 protected:
  void SetUp() override {
    OperatedRun::SetUp();
    Check(
        R"("pan": {"type": "string", "x-sensitive": true}, "amount": {"type": "number"})",
        R"j("copy": {"kind": "transform", "inputs": ["in"], "set": {"upper": "upper(pan)", "size": "length(pan) + amount"
    }
    },
             "out": {"kind": "persist", "inputs": ["copy"], "to": {"file": {"path": "out.jsonl"}},
                     "fields": ["pan", "upper", "size"]})j",
        R"(, "key": {"field": "pan"})");
    hub_.Use(checked_.plan);
    Write("{\"pan\":\"4111222233334444\",\"amount\":1}\n{\"pan\":5,\"amount\":1}\n");
  }
};

TEST_F(MaskedTaps, ShowNoSensitiveValue) {
  const std::string id = Opened({.record = true});
  const std::string source = Opened({.nodes = {"in"}, .at_inputs = true, .record = true});
  RunIt();
  const Json row = Seen(id)["rows"][0];
  EXPECT_EQ(row["after"]["pan"], "***");
  EXPECT_EQ(row["after"]["upper"], "***");  // may hold it word for word
  EXPECT_EQ(row["after"]["size"], 17);
  EXPECT_EQ(row["key"], "***");
  EXPECT_EQ(Seen(id)["masked"], (Json{"pan", "upper"}));
  EXPECT_NE(row["record"].get<std::string>().find("\"pan\":\"masked-"), std::string::npos) << row["record"];
  EXPECT_NE(row["record"].get<std::string>().find("\"amount\":1"), std::string::npos);
  for (const std::string& each : {id, source}) EXPECT_EQ(Seen(each).dump().find("4111"), std::string::npos);
}

TEST_F(MaskedTaps, RevealThemOnDemand) {
  const std::string id = Opened({.where = "pan != ''", .record = true, .reveal = true});
  RunIt();
  const Json row = Seen(id)["rows"][0];
  EXPECT_EQ(row["after"]["pan"], "4111222233334444");
  EXPECT_EQ(row["key"], "4111222233334444");
  EXPECT_EQ(row["record"], "{\"pan\":\"4111222233334444\",\"amount\":1}");
}

TEST_F(MaskedTaps, AFilterTellsNothing) {
  EXPECT_NE(Refused({.where = "pan == '4111222233334444'"}).find("\"pan\" is x-sensitive"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
