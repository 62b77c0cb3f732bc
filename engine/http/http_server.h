#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// One request, complete with its body. Names of headers are in lower case; what came in several lines of one name is
// one list, "a, b" (RFC 9110, 5.3).
struct HttpRequest {
  std::string method;  // GET, HEAD, POST, DELETE
  std::string path;    // decoded once, normalised: no "..", no "//", no NUL
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  std::string body = {};
  std::string peer;         // address without port; "local" on a Unix socket
  bool local_file = false;  // came through a Unix socket: its file rights were the check

  std::string_view header(const std::string& name) const;  // empty when absent
};

struct HttpResponse {
  int code = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // besides those that every answer has
};

struct HttpServerOptions {
  // "127.0.0.1:8787", "[::1]:0" (0: a free port), or "unix:PATH". A Unix socket is made with 0600; a stale one is
  // replaced, a live one is refused (kUnavailable). The path may be longer than 107 bytes.
  std::string listen = {};
  std::string certificate_file = {}, key_file = {};  // both: TLS
  // A thread per connection lets handlers wait (seconds). False: one thread for all; handlers must not wait.
  bool handlers_wait = true;
  unsigned most_connections = 64;
  unsigned most_connections_per_address = 0;  // 0: no limit of its own
  size_t most_body_bytes = size_t{64} << 10;
  unsigned idle_seconds = 10;  // without a byte
};

// An HTTP/1.1 server for control, metrics and pages. The library behind it is lenient, so each request passes a gate
// first: Content-Length together with Transfer-Encoding, a repeated Host, Content-Length or Transfer-Encoding, another
// coding than "chunked", folded headers, a path that is not plain, are answered 400 and the connection is closed.
//
// Handlers run on the server's threads, several at a time. What they throw is answered 500 without details.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  // kUnavailable: the address is taken or not ours; kInvalid: it is no address, or the certificate cannot be read. The
  // message names option, value and cure.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, Handler handler);
  // Ends all connections; handlers that run are waited for.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "127.0.0.1:8787", with the real port; "unix:PATH".
  const std::string& address() const;
  bool loopback() const;  // only this machine reaches it
  int64_t requests() const;

 private:
  class Core;
  explicit HttpServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch
