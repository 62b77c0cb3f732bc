#include "engine/http/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "engine/http/connection_watch.h"
#include "engine/http/http_listen.h"
#include "engine/http/http_text.h"

namespace anabranch {
namespace {

constexpr size_t kStackBytes = size_t{1} << 20;
constexpr size_t kHeadBytes = size_t{32} << 10;  // and the buffers of one connection
constexpr int kRequestTimes = 3;                 // idle_seconds for a whole request

// What belongs to one request while the library reads it.
struct Exchange {
  std::string target;  // as it came
  HttpRequest request;
  bool begun = false;
  bool refused = false;
};

// Threads that the library starts take no signals: those belong to the program's own.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

std::optional<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int SocketOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? -1 : info->connect_fd;
}

std::string PeerOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr) return "";
  const sockaddr* const address = info->client_addr;
  const socklen_t size = address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  char host[NI_MAXHOST];
  if (getnameinfo(address, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return std::string(host).starts_with("::ffff:") ? host + strlen("::ffff:") : host;
}

RequestHead HeadOf(MHD_Connection* connection, const char* method, const char* url, size_t target_size,
                   const char* version) {
  RequestHead head{.method = method, .target = {url, target_size}, .version = version};
  const auto add = [](void* headers, MHD_ValueKind, const char* name, size_t name_size, const char* value,
                      size_t value_size) -> MHD_Result {
    static_cast<std::vector<RequestHead::Header>*>(headers)->push_back(
        {{name, name_size}, value == nullptr ? std::string_view() : std::string_view(value, value_size)});
    return MHD_YES;
  };
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add, &head.headers);
  const MHD_ConnectionInfo* size = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  head.end = size == nullptr ? nullptr : method + size->header_size;
  return head;
}

void AddHeader(MHD_Response* response, const std::string& name, const std::string& value) {
  (void)MHD_add_response_header(response, name.c_str(), value.c_str());
}

MHD_Result Answer(MHD_Connection* connection, const HttpResponse& answer, bool closes) {
  MHD_Response* const response =
      MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  bool cached = false;
  for (const auto& [name, value] : answer.headers) {
    AddHeader(response, name, value);
    cached |= name == "Cache-Control";
  }
  if (!answer.content_type.empty()) AddHeader(response, "Content-Type", answer.content_type);
  if (!cached) AddHeader(response, "Cache-Control", "no-store");
  AddHeader(response, "X-Content-Type-Options", "nosniff");
  AddHeader(response, "Referrer-Policy", "no-referrer");
  AddHeader(response, "Cross-Origin-Opener-Policy", "same-origin");
  if (closes) AddHeader(response, "Connection", "close");
  const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(answer.code), response);
  MHD_destroy_response(response);
  return queued;
}

HttpResponse Refusal(int code, const std::string& word, const std::string& why) {
  return {
      .code = code,
      .body = R"({"error": {"code": ")" + word + R"(", "message": ")" + why + R"(", "cure": ""}})" + "\n",
  };
}

}  // namespace

class HttpServer::Core {
 public:
  Core(HttpServerOptions options, Handler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        watch_(std::chrono::seconds(options_.idle_seconds * kRequestTimes)) {}
  ~Core() {
    if (daemon_ == nullptr) return;
    ForgetSocket(listening_);
    MHD_stop_daemon(daemon_);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Status Start();
  const Listening& listening() const { return listening_; }
  int64_t requests() const { return requests_.load(); }

 private:
  bool tls() const { return !options_.certificate_file.empty(); }
  Status ReadCertificate();
  std::vector<MHD_OptionItem> TlsOptions();
  MHD_Result Take(MHD_Connection* connection, Exchange* exchange, const char* url, const char* method,
                  const char* version, const char* data, size_t* size);
  MHD_Result Begin(MHD_Connection* connection, Exchange* exchange, const char* url, const char* method,
                   const char* version);
  HttpResponse Handle(const HttpRequest& request) const;

  const HttpServerOptions options_;
  const Handler handler_;
  Listening listening_;
  ConnectionWatch watch_;
  std::string certificate_, key_;
  std::atomic<int64_t> requests_{0};
  MHD_Daemon* daemon_ = nullptr;
};

Status HttpServer::Core::ReadCertificate() {
  auto certificate = ReadWhole(options_.certificate_file);
  auto key = ReadWhole(options_.key_file);
  if (!certificate) return {Code::kInvalid, "certificate " + options_.certificate_file + ": cannot be read"};
  if (!key) return {Code::kInvalid, "key " + options_.key_file + ": cannot be read"};
  certificate_ = std::move(*certificate);
  key_ = std::move(*key);
  return Status::Ok();
}

std::vector<MHD_OptionItem> HttpServer::Core::TlsOptions() {
  if (!tls()) return {{MHD_OPTION_END, 0, nullptr}};
  return {{MHD_OPTION_HTTPS_MEM_CERT, 0, certificate_.data()},
          {MHD_OPTION_HTTPS_MEM_KEY, 0, key_.data()},
          {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")},
          {MHD_OPTION_END, 0, nullptr}};
}

Status HttpServer::Core::Start() {
  if (tls()) RETURN_IF_ERROR(ReadCertificate());
  ASSIGN_OR_RETURN(listening_, ListenAt(options_.listen));
  const auto take = [](void* core, MHD_Connection* connection, const char* url, const char* method, const char* version,
                       const char* data, size_t* size, void** context) -> MHD_Result {
    return static_cast<Core*>(core)->Take(connection, static_cast<Exchange*>(*context), url, method, version, data,
                                          size);
  };
  const auto begin = [](void*, const char* target, MHD_Connection*) -> void* {
    return new Exchange{.target = target, .request = {}};
  };
  const auto keep = [](void*, MHD_Connection*, char* text) -> size_t { return strlen(text); };
  const auto completed = [](void* core, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
    delete static_cast<Exchange*>(std::exchange(*context, nullptr));
    static_cast<Core*>(core)->watch_.Expect(SocketOf(connection));
  };
  const auto connected = [](void* core, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
    ConnectionWatch& watch = static_cast<Core*>(core)->watch_;
    const int fd = SocketOf(connection);
    code == MHD_CONNECTION_NOTIFY_STARTED ? watch.Expect(fd) : watch.Forget(fd);
  };
  using UriLog = void* (*)(void*, const char*, MHD_Connection*);
  using Unescape = size_t (*)(void*, MHD_Connection*, char*);
  std::vector<MHD_OptionItem> tls_options = TlsOptions();
  unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC;
  flags |= options_.handlers_wait ? MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL : MHD_USE_EPOLL;
  if (tls()) flags |= MHD_USE_TLS;
  const NoSignals quiet;
  daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, static_cast<MHD_AccessHandlerCallback>(take), this,  //
                             MHD_OPTION_LISTEN_SOCKET, listening_.fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,        //
                             MHD_OPTION_URI_LOG_CALLBACK, static_cast<UriLog>(begin), nullptr,                //
                             MHD_OPTION_UNESCAPE_CALLBACK, static_cast<Unescape>(keep), nullptr,              //
                             MHD_OPTION_NOTIFY_COMPLETED, static_cast<MHD_RequestCompletedCallback>(completed), this,
                             MHD_OPTION_NOTIFY_CONNECTION, static_cast<MHD_NotifyConnectionCallback>(connected), this,
                             MHD_OPTION_CONNECTION_LIMIT, options_.most_connections,  //
                             MHD_OPTION_PER_IP_CONNECTION_LIMIT, options_.most_connections_per_address,
                             MHD_OPTION_CONNECTION_TIMEOUT, options_.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                             kHeadBytes, MHD_OPTION_THREAD_STACK_SIZE, kStackBytes, MHD_OPTION_ARRAY,
                             tls_options.data(), MHD_OPTION_END);
  if (daemon_ != nullptr) return Status::Ok();
  ForgetSocket(listening_);
  if (!tls()) return {Code::kUnavailable, options_.listen + ": the HTTP server did not start"};
  return {Code::kInvalid, "certificate " + options_.certificate_file + " and key " + options_.key_file +
                              ": not a pair of PEM files; check them with openssl x509 and openssl pkey"};
}

// The library calls it when the head is there, for each part of the body, and once more at the end.
MHD_Result HttpServer::Core::Take(MHD_Connection* connection, Exchange* exchange, const char* url, const char* method,
                                  const char* version, const char* data, size_t* size) {
  if (exchange == nullptr) return MHD_NO;
  if (!exchange->begun) return Begin(connection, exchange, url, method, version);
  if (*size > 0) {
    if (exchange->request.body.size() + *size > options_.most_body_bytes) return MHD_NO;  // it cannot be answered yet
    exchange->request.body.append(data, *size);
    *size = 0;
    return MHD_YES;
  }
  if (exchange->refused) return MHD_NO;
  ++requests_;
  const int fd = SocketOf(connection);
  watch_.Pause(fd);
  const HttpResponse answer = Handle(exchange->request);
  watch_.Expect(fd);
  return Answer(connection, answer, exchange->request.headers.contains("transfer-encoding"));
}

MHD_Result HttpServer::Core::Begin(MHD_Connection* connection, Exchange* exchange, const char* url, const char* method,
                                   const char* version) {
  exchange->begun = true;
  HttpRequest& request = exchange->request;
  const RequestHead head = HeadOf(connection, method, url, exchange->target.size(), version);
  const auto refuse = [&](int code, const std::string& word, const std::string& why) {
    exchange->refused = true;
    return Answer(connection, Refusal(code, word, why), true);
  };
  if (const char* fault = FaultIn(head)) return refuse(400, "bad_request", fault);
  if (!ParseTarget(exchange->target, &request.path, &request.query)) {
    return refuse(400, "bad_request", "the target is not a plain path");
  }
  request.method = method;
  const std::string_view known[] = {"GET", "HEAD", "POST", "DELETE"};
  if (std::ranges::find(known, request.method) == std::end(known)) {
    return refuse(405, "no_such_method", "known methods: GET, HEAD, POST, DELETE");
  }
  for (const RequestHead::Header& header : head.headers) {
    std::string name(header.name);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto [at, first] = request.headers.emplace(std::move(name), header.value);
    if (!first) at->second.append(", ").append(header.value);
  }
  const std::string length(request.header("content-length"));
  if (!length.empty() && (length.size() > 12 || std::stoull(length) > options_.most_body_bytes)) {
    return refuse(413, "too_large", "the body is longer than " + std::to_string(options_.most_body_bytes) + " bytes");
  }
  request.local_file = listening_.local_file;
  request.peer = listening_.local_file ? "local" : PeerOf(connection);
  return MHD_YES;
}

HttpResponse HttpServer::Core::Handle(const HttpRequest& request) const {
  try {
    return handler_(request);
  } catch (...) {
    return Refusal(500, "internal", "the request could not be handled");
  }
}

std::string_view HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, Handler handler) {
  auto core = std::make_unique<Core>(std::move(options), std::move(handler));
  RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

HttpServer::HttpServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;
const std::string& HttpServer::address() const { return core_->listening().address; }
bool HttpServer::loopback() const { return core_->listening().loopback; }
int64_t HttpServer::requests() const { return core_->requests(); }

}  // namespace anabranch
