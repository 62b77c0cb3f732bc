#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace anabranch {

struct HttpReply {
  int code = 0;
  std::string body;
};

// What may be shown of a URL: "https://host:port" without log-in, path and query, where secrets may be; of "unix:PATH"
// all.
std::string ServerOf(const std::string& url);

// One server to call. Keeps its connection. Used by one thread. Redirects are not followed.
class HttpClient {
 public:
  // `base`: "http://host:port", "https://…", or "unix:PATH" (the path may be longer than 107 bytes).
  // `stop`: set by another thread, it ends a call within a second. Null: none.
  explicit HttpClient(std::string base, std::chrono::milliseconds timeout = std::chrono::seconds(5),
                      const std::atomic<bool>* stop = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  using Headers = std::vector<std::pair<std::string, std::string>>;
  void set_timeout(std::chrono::milliseconds timeout);
  // An answer of any code is Ok, of at most 16 MiB. kUnavailable: nobody listens there. kInvalid: this user may not
  // open the socket. What follows may have reached the other side: kTimedOut, it has not answered yet; kRetry, the
  // connection ended before a whole answer came; kCancelled, `stop` was set.
  Result<HttpReply> Get(const std::string& path, const Headers& headers = {});
  Result<HttpReply> Post(const std::string& path, const std::string& body, const Headers& headers = {});
  Result<HttpReply> Delete(const std::string& path, const Headers& headers = {});

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch
