#include "topologies/operate/request_body.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

struct Order {
  std::string node, at = "outputs";
  std::vector<std::string> ids;
  bool dry_run = false;
  int64_t limit = 20;
  double rate = 0;
};

std::string Taken(const std::string& text, Order* order) {
  RequestBody body(text);
  body.Text("node", &order->node);
  body.OneOf("at", {"inputs", "outputs"}, &order->at);
  body.Texts("ids", 2, &order->ids);
  body.Flag("dry_run", &order->dry_run);
  body.Number("limit", 100, &order->limit);
  body.Real("rate", &order->rate);
  return body.Done().message();
}

TEST(RequestBodies, TakeWhatIsKnownAndLeaveTheRest) {
  Order order;
  EXPECT_EQ(Taken("", &order), "");
  EXPECT_EQ(
      Taken(R"({"node": "a", "at": "inputs", "ids": ["x", "y"], "dry_run": true, "limit": 0, "rate": 1.5})", &order),
      "");
  EXPECT_EQ(order.node + order.at, "ainputs");
  EXPECT_EQ(order.ids, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(order.dry_run);
  EXPECT_EQ(order.limit, 0);
  EXPECT_EQ(order.rate, 1.5);
}

TEST(RequestBodies, RefuseWhatIsNotMeant) {
  for (const char* text :
       {"[]", "null", "{", R"("x")", R"({"node": 1})", R"({"node": null})", R"({"at": "in"})", R"({"ids": "x"})",
        R"({"ids": ["a", 1]})", R"({"ids": ["a", "b", "c"]})", R"({"dry_run": "true"})", R"({"dry_run": 1})",
        R"({"limit": -1})", R"({"limit": 101})", R"({"limit": 1.5})", R"({"rate": -0.5})", R"({"nodes": "a"})"}) {
    Order order;
    EXPECT_NE(Taken(text, &order), "") << text;
  }
  Order order;
  EXPECT_NE(Taken(R"({"nodes": "a"})", &order).find("\"node\""), std::string::npos);
  EXPECT_NE(Taken(std::string(60'000, '['), &order), "");
}

}  // namespace
}  // namespace anabranch
