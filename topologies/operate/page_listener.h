#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "engine/http/http_server.h"
#include "engine/status.h"
#include "topologies/operate/access.h"
#include "topologies/operate/service_options.h"

namespace anabranch {

// A server for people, with the page and the API. Its address decides what it demands: on loopback a token that is made
// here, elsewhere encryption and tokens of a file.
class PageListener {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&, Access&)>;
  // At `options.http`. kInvalid: options that exclude each other, an address that needs more of them.
  static Result<std::unique_ptr<PageListener>> Start(const ServiceOptions& options, Handler handler);
  PageListener(const PageListener&) = delete;
  PageListener& operator=(const PageListener&) = delete;

  // "page: http://127.0.0.1:8787/#t=…", for the operator.
  std::string line() const;

 private:
  explicit PageListener(Handler handler) : handler_(std::move(handler)) {}
  Status Listen(const ServiceOptions& options);
  Status Check(const ServiceOptions& options) const;

  const Handler handler_;
  std::string scheme_ = "http://";
  std::string token_;  // made here; empty: none
  std::unique_ptr<Access> access_;
  std::atomic<Access*> ready_{nullptr};  // the same, once it is there
  std::unique_ptr<HttpServer> server_;   // last: its threads use the members above
};

}  // namespace anabranch
