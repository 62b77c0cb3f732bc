#include "topologies/operate/access.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace anabranch {
namespace {

constexpr char kReader[] = "reader-0123456789", kOperator[] = "operator-0123456789";

HttpRequest Asks(const std::string& method, std::map<std::string, std::string> headers) {
  headers.emplace("host", "127.0.0.1:8787");
  if (method == "POST") headers.emplace("content-type", "application/json");
  return {.method = method,
          .path = "/api/v1/letters",
          .query = {},
          .headers = std::move(headers),
          .body = "",
          .peer = "10.0.0.1"};
}

class AccessTest : public testing::Test {
 protected:
  int Code(const HttpRequest& request, Needs needs) {
    const auto refused = access_.Refuse(request, needs, &caller_);
    return refused ? refused->code : 200;
  }

  Access access_{{.hosts = {"127.0.0.1:8787", "pipes.example"},
                  .tokens = {{"viewer", kReader, false}, {"ops", kOperator, true}},
                  .numbers_are_open = true}};
  Caller caller_;
};

TEST_F(AccessTest, NumbersAreOpenAndTheRestNeedsATokenOfItsRole) {
  EXPECT_EQ(Code(Asks("GET", {}), Needs::kNothing), 200);
  EXPECT_FALSE(caller_.may_read);
  EXPECT_EQ(Code(Asks("GET", {}), Needs::kValues), 401);
  EXPECT_EQ(Code(Asks("POST", {}), Needs::kChange), 401);
  EXPECT_EQ(Code(Asks("GET", {{"x-anabranch-token", kReader}}), Needs::kValues), 200);
  EXPECT_EQ(caller_.name, "viewer");
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", kReader}}), Needs::kChange), 403);
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", kOperator}}), Needs::kChange), 200);
  EXPECT_EQ(caller_.name, "ops");
  for (const std::string wrong : {"operator-012345678", "operator-01234567890", "x"}) {
    EXPECT_EQ(Code(Asks("GET", {{"x-anabranch-token", wrong}}), Needs::kNothing), 401) << wrong;
  }
}

TEST_F(AccessTest, HostIsOneOfTheList) {
  for (const char* host : {"evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:8787.evil.example", ""}) {
    EXPECT_EQ(Code(Asks("GET", {{"host", host}}), Needs::kNothing), 421) << host;
  }
  for (const char* host : {"PIPES.example", "pipes.example:9", "127.0.0.1:8787"}) {
    EXPECT_EQ(Code(Asks("GET", {{"host", host}}), Needs::kNothing), 200) << host;
  }
}

TEST_F(AccessTest, OriginIsTheHostAndABodyIsJson) {
  const std::string token = kOperator;
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", token}, {"origin", "https://evil.example"}}), Needs::kChange),
            403);
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", token}, {"origin", "null"}}), Needs::kChange), 403);
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", token}, {"origin", "http://127.0.0.1:8787"}}), Needs::kChange),
            200);
  EXPECT_EQ(Code(Asks("POST", {{"x-anabranch-token", token}, {"content-type", "text/plain"}}), Needs::kChange), 415);
}

TEST(AccessRulesOf, NamesAreGivenInAnyCase) {
  Access access({.hosts = {"Pipes.EXAMPLE"}, .numbers_are_open = true});
  for (const char* host : {"pipes.example", "PIPES.example:8787"}) {
    EXPECT_FALSE(access.RefuseName(Asks("GET", {{"host", host}}))) << host;
  }
}

TEST_F(AccessTest, AnAddressWithFiveWrongTokensWithinASecondIsNotHeard) {
  const HttpRequest wrong = Asks("GET", {{"x-anabranch-token", "wrong"}});
  int limited = 0;
  for (int i = 0; i < 20 && limited == 0; ++i) limited = Code(wrong, Needs::kValues) == 429 ? i : 0;
  EXPECT_GE(limited, 5);
  HttpRequest other = Asks("GET", {{"x-anabranch-token", kReader}});
  other.peer = "10.0.0.2";
  EXPECT_EQ(Code(other, Needs::kValues), 200);
}

TEST(AccessFiles, TokensHaveARoleANameAndALength) {
  const std::string path = (std::filesystem::temp_directory_path() / ("tokens-" + std::to_string(getpid()))).string();
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return ReadTokens(path);
  };
  const auto good = read("# comment\n\nread:a:0123456789abcdef\r\noperate:b:0123456789abcde:f\n");
  ASSERT_TRUE(good.ok()) << good.status().message();
  ASSERT_EQ(good->size(), 2U);
  EXPECT_EQ((*good)[1].secret, "0123456789abcde:f");
  EXPECT_TRUE((*good)[1].may_change);
  for (const char* bad : {"", "read:a\n", "write:a:0123456789abcdef\n", "read::0123456789abcdef\n", "read:a:short\n"}) {
    const auto tokens = read(bad);
    ASSERT_FALSE(tokens.ok()) << bad;
    EXPECT_EQ(tokens.status().message().find("0123456789abcdef"), std::string::npos);
  }
  std::filesystem::remove(path);
}

TEST(ApiRoutes, APathWithoutParametersComesFirstAndTheLastParameterTakesTheRest) {
  Routes routes;
  for (const char* pattern : {"/api/v1/letters/{id}", "/api/v1/letters/groups", "/api/v1/runs/{id}/stages"}) {
    routes.push_back({"GET", pattern, Needs::kNothing, pattern, nullptr});
  }
  routes.push_back({"POST", "/api/v1/letters/replay", Needs::kChange, "", nullptr});
  const auto find = [&](const std::string& method, const std::string& path,
                        std::map<std::string, std::string>* parameters) {
    bool known = false;
    HttpRequest request;
    request.method = method;
    request.path = path;
    const Route* const route = FindRoute(routes, request, parameters, &known);
    return route != nullptr ? route->pattern : known ? "known" : "unknown";
  };
  std::map<std::string, std::string> parameters;
  EXPECT_EQ(find("GET", "/api/v1/letters/groups", &parameters), "/api/v1/letters/groups");
  EXPECT_EQ(find("GET", "/api/v1/letters/file:orders/0/12", &parameters), "/api/v1/letters/{id}");
  EXPECT_EQ(parameters["id"], "file:orders/0/12");
  EXPECT_EQ(find("HEAD", "/api/v1/runs/7/stages", &parameters), "/api/v1/runs/{id}/stages");
  EXPECT_EQ(find("DELETE", "/api/v1/letters/groups", &parameters), "known");
  EXPECT_EQ(find("GET", "/api/v1/letters", &parameters), "unknown");
  EXPECT_EQ(find("GET", "/api/v1/letters/", &parameters), "unknown");
  EXPECT_NE(OpenApiJson(routes).find(R"("security": [{"token": []}])"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
