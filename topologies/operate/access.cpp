#include "topologies/operate/access.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

#include "engine/clock.h"

namespace anabranch {
namespace {

constexpr int kMostFailures = 5;         // per second and address
constexpr size_t kMostAddresses = 1024;  // remembered
constexpr size_t kLeastTokenBytes = 16;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Takes as long whatever they have in common.
bool SameSecret(std::string_view given, std::string_view known) {
  volatile unsigned different = given.size() == known.size() ? 0 : 1;
  for (size_t i = 0; i < known.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    different = different | static_cast<unsigned>(static_cast<unsigned char>(c ^ known[i]));
  }
  return different == 0;
}

const AccessToken* FindToken(const std::vector<AccessToken>& tokens, std::string_view given) {
  const AccessToken* found = nullptr;
  for (const AccessToken& token : tokens) {
    if (SameSecret(given, token.secret)) found = &token;
  }
  return found;
}

std::string WithoutPort(const std::string& host) {
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  return has_port ? host.substr(0, colon) : host;
}

bool IsJson(std::string_view type) {
  const std::string lower = LowerCase(type.substr(0, type.find(';')));
  return lower == "application/json" || lower == "application/json ";
}

// "https://name:1": what stands behind the scheme.
std::string HostOfOrigin(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string() : LowerCase(origin.substr(scheme + 3));
}

std::string AddressOf(const HttpRequest& request, bool behind_proxy) {
  const std::string_view forwarded = request.header("x-forwarded-for");
  if (!behind_proxy || forwarded.empty()) return request.peer;
  const size_t comma = forwarded.rfind(',');
  std::string_view last = comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1);
  while (last.starts_with(' ')) last.remove_prefix(1);
  return std::string(last.substr(0, 64));
}

Status BadLine(const std::string& file, size_t number, const std::string& why) {
  return {Code::kInvalid, "tokens " + file + ":" + std::to_string(number) + ": " + why +
                              "; write ROLE:NAME:TOKEN, with the role read or operate"};
}

}  // namespace

Result<std::vector<AccessToken>> ReadTokens(const std::string& file) {
  std::ifstream lines(file);
  if (!lines) return Status(Code::kInvalid, "tokens " + file + ": cannot be read");
  std::vector<AccessToken> tokens;
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) return BadLine(file, number, "not three parts");
    const std::string role = line.substr(0, first);
    if (role != "read" && role != "operate") return BadLine(file, number, "an unknown role");
    AccessToken token{line.substr(first + 1, second - first - 1), line.substr(second + 1), role == "operate"};
    if (token.name.empty()) return BadLine(file, number, "no name");
    if (token.secret.size() < kLeastTokenBytes) return BadLine(file, number, "a token shorter than 16 characters");
    tokens.push_back(std::move(token));
  }
  if (tokens.empty()) return Status(Code::kInvalid, "tokens " + file + ": no token is in it");
  return tokens;
}

std::string RandomToken() {
  std::array<unsigned char, 20> bytes{};
  (void)!getrandom(bytes.data(), bytes.size(), 0);  // of 256 bytes or less it never gives a part
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::vector<std::string> HostsOf(const std::string& address, bool loopback) {
  std::vector<std::string> hosts = {address};
  if (!loopback) return hosts;
  const std::string port = address.substr(address.rfind(':'));
  for (const char* name : {"127.0.0.1", "localhost", "[::1]"}) hosts.push_back(name + port);
  return hosts;
}

Access::Access(AccessRules rules)
    : rules_([&rules] {
        for (std::string& host : rules.hosts) host = LowerCase(host);
        return std::move(rules);
      }()) {}

bool Access::KnownHost(const HttpRequest& request) const {
  const std::string host = LowerCase(request.header("host"));
  if (host.empty()) return false;
  const auto known = [&](const std::string& text) {
    return std::ranges::find(rules_.hosts, text) != rules_.hosts.end();
  };
  return known(host) || known(WithoutPort(host));
}

bool Access::TooManyFailures(const std::string& address) {
  const int64_t second = Clock::Real().NowNs() / 1'000'000'000;
  const MutexLock lock(mutex_);
  const auto found = failures_.find(address);
  return found != failures_.end() && found->second.second == second && found->second.count >= kMostFailures;
}

void Access::NoteFailure(const std::string& address) {
  const int64_t second = Clock::Real().NowNs() / 1'000'000'000;
  const MutexLock lock(mutex_);
  if (failures_.size() >= kMostAddresses) {
    std::erase_if(failures_, [&](const auto& each) { return each.second.second != second; });
    if (failures_.size() >= kMostAddresses) failures_.clear();
  }
  Failures& failures = failures_[address];
  if (failures.second != second) failures = {second, 0};
  ++failures.count;
}

std::optional<HttpResponse> Access::RefuseName(const HttpRequest& request) const {
  if (request.local_file || KnownHost(request)) return std::nullopt;
  return ErrorResponse(421, "unknown_host", "this server is not reached under that name",
                       "use the address that it printed, or give its name with --http-hosts");
}

// Full rights, or as much as a process of the same user passes on for somebody who asked it.
std::optional<HttpResponse> Access::RefuseLocal(const HttpRequest& request, Needs needs, Caller* caller) {
  *caller = {"local", "local", true, true};
  const std::string_view as = request.header(kPassedOnRights);
  if (as.empty()) return std::nullopt;
  caller->name = request.header(kPassedOnName);
  caller->address = request.header(kPassedOnFrom);
  caller->may_change = as == "operate";
  caller->may_read = caller->may_change || as == "read";
  const bool may = needs == Needs::kNothing || (needs == Needs::kValues ? caller->may_read : caller->may_change);
  if (may) return std::nullopt;
  return ErrorResponse(403, "not_allowed", "this token does not allow that", "use one with the role operate");
}

std::optional<HttpResponse> Access::Refuse(const HttpRequest& request, Needs needs, Caller* caller) {
  if (request.local_file) return RefuseLocal(request, needs, caller);
  *caller = {"anonymous", AddressOf(request, rules_.behind_proxy)};
  if (auto refused = RefuseName(request)) return refused;
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && HostOfOrigin(origin) != LowerCase(request.header("host"))) {
    return ErrorResponse(403, "other_origin", "a page of another site asked for this", "");
  }
  if (request.method == "POST" && !IsJson(request.header("content-type"))) {
    return ErrorResponse(415, "not_json", "the body has to be JSON", "send Content-Type: application/json");
  }
  const std::string_view given = request.header("x-anabranch-token");
  if (!given.empty()) {
    if (TooManyFailures(caller->address)) {
      return ErrorResponse(429, "too_many_failures", "too many wrong tokens from this address", "wait a second");
    }
    const AccessToken* const token = FindToken(rules_.tokens, given);
    if (token == nullptr) {
      NoteFailure(caller->address);
      return ErrorResponse(401, "wrong_token", "the token is not known", "open the address that the process printed");
    }
    *caller = {token->name, caller->address, true, token->may_change};
  }
  const bool open = needs == Needs::kNothing && rules_.numbers_are_open;
  if (open || (needs == Needs::kChange ? caller->may_change : caller->may_read)) return std::nullopt;
  if (caller->may_read)
    return ErrorResponse(403, "role", "this token may only read", "use a token with the role operate");
  return ErrorResponse(401, "no_token", "this needs a token in the header X-Anabranch-Token",
                       "open the address that the process printed: it has the token behind #t=");
}

}  // namespace anabranch
