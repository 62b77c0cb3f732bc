#include "topologies/operate/page_listener.h"

#include <utility>

#include "topologies/operate/api.h"

namespace anabranch {
namespace {

constexpr unsigned kPageConnectionsPerAddress = 24;  // a browser holds six

}  // namespace

Result<std::unique_ptr<PageListener>> PageListener::Start(const ServiceOptions& options, Handler handler) {
  std::unique_ptr<PageListener> listener(new PageListener(std::move(handler)));
  RETURN_IF_ERROR(listener->Listen(options));
  return listener;
}

Status PageListener::Listen(const ServiceOptions& options) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return {Code::kInvalid, "--http-cert and --http-key go together"};
  }
  if (!options.certificate_file.empty()) scheme_ = "https://";
  HttpServerOptions server{
      .listen = options.http, .certificate_file = options.certificate_file, .key_file = options.key_file};
  if (!options.behind_proxy) server.most_connections_per_address = kPageConnectionsPerAddress;
  ASSIGN_OR_RETURN(server_, HttpServer::Start(std::move(server), [this](const HttpRequest& request) {
                     Access* const access = ready_.load();
                     if (access == nullptr)
                       return ErrorResponse(503, "starting", "the server is being set up", "ask again");
                     return handler_(request, *access);
                   }));
  RETURN_IF_ERROR(Check(options));
  AccessRules rules{.hosts = HostsOf(server_->address(), server_->loopback())};
  rules.behind_proxy = options.behind_proxy;
  rules.numbers_are_open = server_->loopback() && !options.behind_proxy;
  for (const std::string& host : options.hosts) rules.hosts.push_back(host);
  if (!options.tokens_file.empty()) {
    ASSIGN_OR_RETURN(rules.tokens, ReadTokens(options.tokens_file));
  } else {
    token_ = RandomToken();
    rules.tokens = {{"page", token_, true}};
  }
  access_ = std::make_unique<Access>(std::move(rules));
  ready_ = access_.get();
  return Status::Ok();
}

Status PageListener::Check(const ServiceOptions& options) const {
  if (server_->loopback() && !options.behind_proxy) return Status::Ok();
  const bool encrypted = !options.certificate_file.empty() || options.behind_proxy;
  const std::string where = server_->loopback() ? "behind a proxy" : "on " + options.http;
  if (!encrypted) {
    return {Code::kInvalid, options.http + " is reached from other machines: give --http-cert and --http-key, or " +
                                "--http-behind-proxy where a proxy does the TLS; or listen on 127.0.0.1"};
  }
  if (options.tokens_file.empty()) return {Code::kInvalid, where + " people need tokens: give --http-tokens FILE"};
  if (!options.assets.empty() && !server_->loopback()) {
    return {Code::kInvalid, "--http-assets is for development: listen on 127.0.0.1 with it"};
  }
  return Status::Ok();
}

std::string PageListener::line() const {
  return "page: " + scheme_ + server_->address() + "/" + (token_.empty() ? "" : "#t=" + token_);
}

}  // namespace anabranch
