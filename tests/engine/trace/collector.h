#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/http/http_server.h"
#include "engine/mutex.h"
#include "engine/trace/trace_settings.h"

namespace anabranch {

// A collector that answers with `code` and keeps what it got.
class Collector {
 public:
  Collector() {
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    options.most_body_bytes = size_t{4} << 20;
    auto server = HttpServer::Start(options, [this](const HttpRequest& request) {
      std::this_thread::sleep_for(takes.load());
      const MutexLock lock(mutex_);
      bodies_.push_back(request.body);
      headers_ = request.headers;
      HttpResponse response;
      response.code = code;
      response.body = "{}";
      return response;
    });
    server_ = std::move(server).value();
  }
  TraceSettings settings() const {
    TraceSettings settings;
    settings.server = "http://" + server_->address();
    settings.path = "/v1/traces";
    settings.headers = {{"api-key", "k"}};
    settings.resource = {{"service.name", "payments"}};
    return settings;
  }
  std::vector<std::string> bodies() {
    const MutexLock lock(mutex_);
    return bodies_;
  }
  std::map<std::string, std::string> headers() {
    const MutexLock lock(mutex_);
    return headers_;
  }
  // How often the text is in what it got.
  int CountOf(std::string_view text) {
    int count = 0;
    for (const std::string& body : bodies()) {
      for (size_t at = body.find(text); at != std::string::npos; at = body.find(text, at + 1)) ++count;
    }
    return count;
  }
  std::atomic<int> code{200};
  std::atomic<std::chrono::milliseconds> takes{std::chrono::milliseconds(0)};

 private:
  Mutex mutex_;
  std::vector<std::string> bodies_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> headers_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

}  // namespace anabranch
