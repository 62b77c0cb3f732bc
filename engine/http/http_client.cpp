#include "engine/http/http_client.h"

#include <curl/curl.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "engine/http/http_listen.h"

namespace anabranch {
namespace {

constexpr size_t kMostAnswerBytes = size_t{16} << 20;
const std::string kUnixBase = "unix:";

struct Received {
  std::string body;
  bool too_long = false;
};

size_t Receive(char* data, size_t, size_t size, void* to) {
  auto* const received = static_cast<Received*>(to);
  if (received->body.size() + size > kMostAnswerBytes) {
    received->too_long = true;
    return 0;
  }
  received->body.append(data, size);
  return size;
}

int StopsAt(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stop)->load() ? 1 : 0;
}

bool IsLocal(const std::string& base) {
  for (const char* local :
       {"http://127.", "http://localhost", "http://[::1]", "https://127.", "https://localhost", "https://[::1]"}) {
    if (base.starts_with(local)) return true;
  }
  return false;
}

}  // namespace

std::string ServerOf(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  std::string server = url.substr(scheme + 3);
  server = server.substr(0, server.find_first_of("/?#"));
  if (const size_t login = server.rfind('@'); login != std::string::npos) server.erase(0, login + 1);
  // What follows a colon and is no port is the rest of a password with a slash in it.
  const size_t port = server.find(':', server.starts_with('[') ? server.find(']') : 0);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (port != std::string::npos && !std::ranges::all_of(server.substr(port + 1), is_digit)) server.erase(port);
  return url.substr(0, scheme + 3) + server;
}

class HttpClient::Core {
 public:
  Core(std::string base, std::chrono::milliseconds timeout, const std::atomic<bool>* stop)
      : base_(std::move(base)), timeout_(timeout), stop_(stop) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    handle_ = curl_easy_init();
  }
  ~Core() {
    curl_easy_cleanup(handle_);
    if (folder_ >= 0) close(folder_);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Result<HttpReply> Call(const char* method, const std::string& path, const std::string* body, const Headers& headers);
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

 private:
  Status Prepare();
  Status WhyFailed(CURLcode code, const Received& received) const;
  Code CodeOf(CURLcode code) const;

  const std::string base_;
  std::chrono::milliseconds timeout_;
  const std::atomic<bool>* const stop_;
  CURL* handle_ = nullptr;
  int folder_ = -1;
  char detail_[CURL_ERROR_SIZE] = {};
};

Status HttpClient::Core::Prepare() {
  curl_easy_reset(handle_);  // connections stay
  curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, detail_);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, Receive);
  if (stop_ != nullptr) {
    curl_easy_setopt(handle_, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle_, CURLOPT_XFERINFOFUNCTION, StopsAt);
    curl_easy_setopt(handle_, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(stop_));
  }
  if (IsLocal(base_)) curl_easy_setopt(handle_, CURLOPT_NOPROXY, "*");
  if (!base_.starts_with(kUnixBase)) return Status::Ok();
  if (folder_ >= 0) close(folder_);
  folder_ = -1;
  ASSIGN_OR_RETURN(const std::string socket, ShortSocketPath(base_.substr(kUnixBase.size()), &folder_));
  curl_easy_setopt(handle_, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(handle_, CURLOPT_NOPROXY, "*");
  return Status::Ok();
}

Result<HttpReply> HttpClient::Core::Call(const char* method, const std::string& path, const std::string* body,
                                         const Headers& headers) {
  if (handle_ == nullptr) return Status(Code::kInternal, "libcurl does not start");
  RETURN_IF_ERROR(Prepare());
  const std::string url = (base_.starts_with(kUnixBase) ? "http://localhost" : base_) + path;
  Received received;
  curl_slist* lines = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : headers) lines = curl_slist_append(lines, (name + ": " + value).c_str());
  curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, lines);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &received);
  if (body != nullptr) {
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body->c_str());
  }
  curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, method);
  const CURLcode code = curl_easy_perform(handle_);
  curl_slist_free_all(lines);
  if (code != CURLE_OK) return WhyFailed(code, received);
  long answer = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &answer);
  return HttpReply{static_cast<int>(answer), std::move(received.body)};
}

Status HttpClient::Core::WhyFailed(CURLcode code, const Received& received) const {
  if (received.too_long) {
    return {Code::kRetry,
            ServerOf(base_) + ": the answer is longer than " + std::to_string(kMostAnswerBytes >> 20) + " MiB"};
  }
  const std::string why = detail_[0] != '\0' ? detail_ : curl_easy_strerror(code);
  return {CodeOf(code), ServerOf(base_) + ": " + why};
}

Code HttpClient::Core::CodeOf(CURLcode code) const {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return Code::kTimedOut;
    case CURLE_ABORTED_BY_CALLBACK: return Code::kCancelled;
    case CURLE_COULDNT_CONNECT: break;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE: return Code::kRetry;
    default: return Code::kUnavailable;
  }
  long error = 0;
  curl_easy_getinfo(handle_, CURLINFO_OS_ERRNO, &error);
  if (!base_.starts_with(kUnixBase)) return Code::kUnavailable;
  if (error == EACCES || error == EPERM) return Code::kInvalid;
  return error == EAGAIN ? Code::kTimedOut : Code::kUnavailable;  // its queue is full: somebody listens
}

HttpClient::HttpClient(std::string base, std::chrono::milliseconds timeout, const std::atomic<bool>* stop)
    : core_(std::make_unique<Core>(std::move(base), timeout, stop)) {}
HttpClient::~HttpClient() = default;
void HttpClient::set_timeout(std::chrono::milliseconds timeout) { core_->set_timeout(timeout); }

Result<HttpReply> HttpClient::Get(const std::string& path, const Headers& headers) {
  return core_->Call("GET", path, nullptr, headers);
}

Result<HttpReply> HttpClient::Post(const std::string& path, const std::string& body, const Headers& headers) {
  Headers all = headers;
  const auto says = [](const auto& header) { return strcasecmp(header.first.c_str(), "content-type") == 0; };
  if (std::ranges::none_of(headers, says)) all.emplace_back("Content-Type", "application/json");
  return core_->Call("POST", path, &body, all);
}

Result<HttpReply> HttpClient::Delete(const std::string& path, const Headers& headers) {
  return core_->Call("DELETE", path, nullptr, headers);
}

}  // namespace anabranch
