#include "engine/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "engine/http/http_client.h"
#include "engine/http/http_listen.h"

namespace anabranch {
namespace {

std::unique_ptr<HttpServer> Serve(HttpServer::Handler handler, HttpServerOptions options = {}) {
  if (options.listen.empty()) options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status().message();
  return server.ok() ? std::move(*server) : nullptr;
}

HttpResponse Echo(const HttpRequest& request) {
  std::string text = request.method + " " + request.path;
  for (const auto& [key, value] : request.query) text += " " + key + "=" + value;
  return {.content_type = "text/plain", .body = text + "|" + request.body};
}

std::string Base(const HttpServer& server) { return "http://" + server.address(); }

// Everything that the server answers to these bytes until it closes.
std::string Raw(const HttpServer& server, const std::string& bytes, bool ends = true) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(server.address().substr(server.address().rfind(':') + 1))));
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (ends) shutdown(fd, SHUT_WR);
  std::string answer;
  char part[4096];
  for (ssize_t n = 0; (n = recv(fd, part, sizeof(part), 0)) > 0;) answer.append(part, static_cast<size_t>(n));
  close(fd);
  return answer;
}

int Answers(const std::string& text) {
  int count = 0;
  for (size_t at = text.find("HTTP/1.1 "); at != std::string::npos; at = text.find("HTTP/1.1 ", at + 1)) ++count;
  return count;
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "httpXXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(HttpServer, AnswersWithPathQueryAndBodyDecodedOnce) {
  const auto server = Serve(Echo);
  HttpClient client(Base(*server));
  const auto got = client.Get("/a%20b/c%252e?x=1&y=a%2Bb+c");
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->code, 200);
  EXPECT_EQ(got->body, "GET /a b/c%2e x=1 y=a+b c|");
  const auto posted = client.Post("/p", R"({"a": 1})");
  ASSERT_TRUE(posted.ok()) << posted.status().message();
  EXPECT_EQ(posted->body, R"(POST /p|{"a": 1})");
  EXPECT_EQ(client.Delete("/d")->body, "DELETE /d|");
  EXPECT_EQ(server->requests(), 3);
}

TEST(HttpServer, OneThreadServesManyToo) {
  const auto server = Serve(Echo, {.listen = "[::1]:0", .handlers_wait = false});
  EXPECT_TRUE(server->address().starts_with("[::1]:"));
  HttpClient client(Base(*server));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client.Get("/x")->body, "GET /x|");
}

TEST(HttpServer, EveryAnswerForbidsGuessingAndCaching) {
  const auto server = Serve(Echo);
  const std::string answer = Raw(*server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  for (const char* line : {"X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "Cache-Control: no-store",
                           "Cross-Origin-Opener-Policy: same-origin"}) {
    EXPECT_NE(answer.find(line), std::string::npos) << line << "\n" << answer;
  }
}

// A proxy that adds a line of its own is the last to speak.
TEST(HttpServer, LinesOfOneNameAreOneList) {
  const auto server = Serve([](const HttpRequest& request) {
    return HttpResponse{.body = std::string(request.header("x-forwarded-for")), .headers = {}};
  });
  const std::string lines = "X-Forwarded-For: 1.1.1.1\r\nOther: x\r\nx-forwarded-for: 2.2.2.2\r\n";
  const std::string answer = Raw(*server, "GET / HTTP/1.1\r\nHost: x\r\n" + lines + "Connection: close\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("1.1.1.1, 2.2.2.2")) << answer;
}

TEST(HttpServer, AClientTellsNobodyFromOneThatIsSilent) {
  std::atomic<bool> ends{false}, stop{false};
  const auto server = Serve([&](const HttpRequest& request) {
    while (request.path == "/waits" && !ends) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Echo(request);
  });
  HttpClient hasty(Base(*server), std::chrono::milliseconds(50));
  EXPECT_EQ(hasty.Get("/waits").status().code(), Code::kTimedOut);
  HttpClient stopped(Base(*server), std::chrono::seconds(60), &stop);
  std::thread stops([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop = true;
  });
  EXPECT_EQ(stopped.Get("/waits").status().code(), Code::kCancelled);
  stops.join();
  ends = true;
  const TempFolder temp;
  EXPECT_EQ(HttpClient("unix:" + (temp.path() / "none").string()).Get("/").status().code(), Code::kUnavailable);
}

TEST(HttpServer, RefusesWhatTwoProgramsCouldReadInTwoWays) {
  const auto server = Serve(Echo);
  const std::string host = "Host: x\r\n", post = "POST /p HTTP/1.1\r\n" + host;
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::vector<std::string> attacks = {
      post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Content-Length: 4\r\nContent-Length: 36\r\n\r\nabcd" + smuggled,
      post + "Content-Length: +4\r\n\r\nabcd" + smuggled,
      post + "Content-Length: 4, 4\r\n\r\nabcd" + smuggled,
      post + "Content-Length: 0x4\r\n\r\nabcd" + smuggled,
      post + "Content-Length: 99999999999999999999\r\n\r\nabcd" + smuggled,
      post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding:\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "X: a\nContent-Length: 4\r\n\r\nabcd" + smuggled,
      post + std::string("X: a\0b\r\n", 8) + "\r\n" + smuggled,
      post + "X: a\r\n b\r\n\r\n" + smuggled,
      "GET / HTTP/1.1\r\n X: a\r\n" + host + "\r\n" + smuggled,
      "GET / HTTP/1.1\r\n" + host + host + "\r\n" + smuggled,
      "GET / HTTP/1.1\n" + host + "\r\n" + smuggled,
      "GET  / HTTP/1.1\r\n" + host + "\r\n" + smuggled,
      "GET /a b HTTP/1.1\r\n" + host + "\r\n" + smuggled,
      "GET / HTTP/1.1\r\n" + host + "X(y): a\r\n\r\n" + smuggled,
  };
  const int64_t before = server->requests();
  for (const std::string& attack : attacks) {
    const std::string answer = Raw(*server, attack);
    EXPECT_EQ(answer.find("200 OK"), std::string::npos) << attack << "\n->\n" << answer;
    EXPECT_EQ(answer.find("smuggled"), std::string::npos) << attack << "\n->\n" << answer;
  }
  EXPECT_EQ(server->requests(), before);
}

TEST(HttpServer, ARequestWithACodingIsTheLastOfItsConnection) {
  const auto server = Serve(Echo);
  const std::string answer =
      Raw(*server,
          "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
          "GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Answers(answer), 1) << answer;
  EXPECT_NE(answer.find("POST /p|abc"), std::string::npos) << answer;
}

TEST(HttpServer, RefusesPathsThatAreNotPlain) {
  const auto server = Serve(Echo);
  for (const char* target :
       {"/../etc/passwd", "/a/%2e%2e/b", "/a/..", "/%2e/x", "//x", "/a//b", "/a%00b", "/a\\b", "/a%5cb", "/a%0d%0ab",
        "/%", "/%zz", "/%ff", "http://x/a", "*", "/a?x=%g", "/a?x=1&x=2", "/a?x=%00%80"}) {
    const std::string answer = Raw(*server, "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(answer.find("HTTP/1.1 400"), std::string::npos) << target << "\n" << answer;
  }
  EXPECT_EQ(server->requests(), 0);
}

TEST(HttpServer, BoundsHeadAndBody) {
  const auto server = Serve(Echo, {.most_body_bytes = 1000});
  const std::string head = "POST /p HTTP/1.1\r\nHost: x\r\n";
  EXPECT_NE(Raw(*server, head + "Content-Length: 1001\r\n\r\n" + std::string(1001, 'x')).find("413"),
            std::string::npos);
  EXPECT_NE(Raw(*server, head + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x')).find("200 OK"),
            std::string::npos);
  std::string chunks;
  for (int i = 0; i < 11; ++i) chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(Raw(*server, head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n").find("200 OK"),
            std::string::npos);
  EXPECT_NE(Raw(*server, head + "X: " + std::string(200'000, 'x') + "\r\n\r\n").find("431"), std::string::npos);
  EXPECT_NE(Raw(*server, "GET /" + std::string(200'000, 'x') + " HTTP/1.1\r\n\r\n").find("414"), std::string::npos);
  EXPECT_NE(Raw(*server, "PUT / HTTP/1.1\r\nHost: x\r\n\r\n").find("405"), std::string::npos);
  EXPECT_EQ(server->requests(), 1);
}

TEST(HttpServer, EndsSlowConnections) {
  const auto server = Serve(Echo, {.idle_seconds = 1});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Raw(*server, "GET / HT", false), "");  // silence
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  // A byte now and then.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(server->address().substr(10))));
  ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool closed = false;
  const timeval pause{.tv_sec = 0, .tv_usec = 200'000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
  for (char part; !closed && std::chrono::steady_clock::now() < until;) {
    const bool sent = send(fd, "x", 1, MSG_NOSIGNAL) == 1;
    closed = !sent || recv(fd, &part, 1, 0) == 0;
  }
  close(fd);
  EXPECT_TRUE(closed);
}

TEST(HttpServer, FreesTheConnectionsOfClientsThatLeft) {
  const auto server = Serve(Echo, {.most_connections = 8});
  for (int i = 0; i < 40; ++i) {
    HttpClient client(Base(*server));
    ASSERT_EQ(client.Get("/x")->code, 200) << i;
  }
}

TEST(HttpServer, AnAddressHasItsShare) {
  const auto server = Serve(Echo, {.handlers_wait = false, .most_connections_per_address = 4});
  std::vector<std::unique_ptr<HttpClient>> clients;
  int served = 0;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(Base(*server)));
    served += clients.back()->Get("/x").ok() ? 1 : 0;
  }
  EXPECT_EQ(served, 4);
}

TEST(HttpServer, HandlersWaitAndAreWaitedFor) {
  std::atomic<bool> in{false}, out{false};
  std::atomic<bool> go{false};
  auto server = Serve([&](const HttpRequest& request) {
    if (request.path == "/slow") {
      in = true;
      while (!go) std::this_thread::yield();
      out = true;
    }
    return HttpResponse{.body = "{}"};
  });
  std::thread slow([&] { (void)HttpClient(Base(*server)).Get("/slow"); });
  while (!in) std::this_thread::yield();
  EXPECT_EQ(HttpClient(Base(*server)).Get("/fast")->code, 200);
  std::thread ends([&] { go = true; });
  server.reset();
  EXPECT_TRUE(out);
  ends.join();
  slow.join();
}

TEST(HttpServer, WhatAHandlerThrowsIsA500WithoutDetails) {
  const auto server = Serve([](const HttpRequest&) -> HttpResponse { throw std::runtime_error("secret"); });
  const auto got = HttpClient(Base(*server)).Get("/");
  EXPECT_EQ(got->code, 500);
  EXPECT_EQ(got->body.find("secret"), std::string::npos);
}

TEST(HttpServer, AUnixSocketIsTheOwnersAloneAndMayHaveALongPath) {
  const TempFolder temp;
  const std::filesystem::path folder = temp.path() / std::string(150, 'f');
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "control.sock").string();
  HttpRequest seen;
  auto server = Serve(
      [&](const HttpRequest& request) {
        seen = request;
        return Echo(request);
      },
      {.listen = "unix:" + path});
  ASSERT_NE(server, nullptr);
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  HttpClient client("unix:" + path);
  EXPECT_EQ(client.Get("/x")->body, "GET /x|");
  EXPECT_TRUE(seen.local_file);
  EXPECT_EQ(seen.peer, "local");
  const auto second = HttpServer::Start({.listen = "unix:" + path}, Echo);
  EXPECT_EQ(second.status().code(), Code::kUnavailable) << "a live one is refused";
  server.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(client.Get("/x").status().code(), Code::kUnavailable);
}

TEST(HttpServer, AStaleSocketIsReplaced) {
  const TempFolder temp;
  const std::string path = (temp.path() / "s").string();
  if (fork() == 0) {
    const auto left = HttpServer::Start({.listen = "unix:" + path}, Echo);
    _exit(left.ok() ? 0 : 1);
  }
  int status = 0;
  wait(&status);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto server = Serve(Echo, {.listen = "unix:" + path});
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(HttpClient("unix:" + path).Get("/x")->code, 200);
}

TEST(HttpServer, SaysWhatIsWrongWithAnAddress) {
  for (const char* address : {"", "8787", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "no such host:80"}) {
    const auto server = HttpServer::Start({.listen = address}, Echo);
    ASSERT_FALSE(server.ok()) << address;
    EXPECT_EQ(server.status().code(), Code::kInvalid) << address << ": " << server.status().message();
  }
  const auto server = Serve(Echo);
  const auto second = HttpServer::Start({.listen = server->address()}, Echo);
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_NE(second.status().message().find(server->address()), std::string::npos);
}

// A server that answers one request, and keeps the bytes of its head.
std::string HeadOf(const std::function<void(const std::string& base)>& ask) {
  const auto listening = ListenAt("127.0.0.1:0");
  EXPECT_TRUE(listening.ok()) << listening.status().message();
  std::string head;
  std::thread server([&] {
    const int fd = accept(listening->fd, nullptr, nullptr);
    char part[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = recv(fd, part, sizeof(part), 0);
      if (n <= 0) break;
      head.append(part, static_cast<size_t>(n));
    }
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (void)!send(fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
    close(fd);
  });
  ask("http://" + listening->address);
  server.join();
  close(listening->fd);
  return head;
}

TEST(HttpClient, SaysOnceWhatItsBodyIs) {
  const std::string head = HeadOf([](const std::string& base) {
    HttpClient client(base);
    EXPECT_TRUE(client.Post("/", "{}", {{"content-type", "application/json"}, {"x-key", "1"}}).ok());
  });
  size_t count = 0;
  for (const char* name : {"Content-Type:", "content-type:"}) count += head.find(name) != std::string::npos ? 1 : 0;
  EXPECT_EQ(count, 1u) << head;
  EXPECT_NE(head.find("x-key: 1"), std::string::npos) << head;
}

TEST(HttpClient, NamesItsServerWithoutSecrets) {
  HttpClient client("http://user:hunter2@127.0.0.1:1");
  const auto got = client.Get("/?token=s3cr3t");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().message().find("http://127.0.0.1:1: "), 0u) << got.status().message();
  EXPECT_EQ(ServerOf("https://me:a@host:4318/v1?key=1"), "https://host:4318");
  EXPECT_EQ(ServerOf("https://me:p@ss@[::1]:80"), "https://[::1]:80");
  EXPECT_EQ(ServerOf("https://me:secret"), "https://me") << "a password that was cut off at its slash";
  EXPECT_EQ(ServerOf("unix:/run/api.sock"), "unix:/run/api.sock");
}

}  // namespace
}  // namespace anabranch
