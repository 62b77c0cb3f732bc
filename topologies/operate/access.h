#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/http/http_server.h"
#include "engine/mutex.h"
#include "engine/status.h"
#include "topologies/operate/api.h"

namespace anabranch {

// A token of a file of tokens: "ROLE:NAME:TOKEN" per line, with the roles read and operate; "#" begins a comment.
struct AccessToken {
  std::string name;
  std::string secret;
  bool may_change = false;
};
// kInvalid with the line and the cure. A token has 16 characters at least.
Result<std::vector<AccessToken>> ReadTokens(const std::string& file);
// 160 random bits, in hex.
std::string RandomToken();

// Headers of a request that `anabranch ui` passes on to a socket: "none", "read" or "operate", the token's name, and
// the address that it was shown from.
inline constexpr char kPassedOnRights[] = "x-anabranch-as";
inline constexpr char kPassedOnName[] = "x-anabranch-name";
inline constexpr char kPassedOnFrom[] = "x-anabranch-from";

// Who may do what at one listener.
struct AccessRules {
  std::vector<std::string> hosts = {};  // values of Host, with their ports ("name" alone: any port)
  std::vector<AccessToken> tokens = {};
  bool numbers_are_open = false;  // routes that need nothing need no token either
  bool behind_proxy = false;      // the peer's address is the last one of X-Forwarded-For
};

// Judges requests before their routes do. A Unix socket has full rights: its file's rights were the check. Everybody
// else: a Host of the list (a page of another site may have made its name point here), an Origin of the same host where
// there is one, JSON for what has a body, and a token in X-Anabranch-Token as the route needs it. Cookies are not
// known, so no browser adds rights by itself. After five wrong tokens within a second an address is not heard for its
// rest. Any thread.
class Access {
 public:
  explicit Access(AccessRules rules);

  // The answer that refuses the request; none: `*caller` may go on.
  std::optional<HttpResponse> Refuse(const HttpRequest& request, Needs needs, Caller* caller);
  // Of a file of the page: only the Host is looked at.
  std::optional<HttpResponse> RefuseName(const HttpRequest& request) const;

 private:
  struct Failures {
    int64_t second = 0;
    int count = 0;
  };
  static std::optional<HttpResponse> RefuseLocal(const HttpRequest& request, Needs needs, Caller* caller);
  bool KnownHost(const HttpRequest& request) const;
  bool TooManyFailures(const std::string& address);
  void NoteFailure(const std::string& address);

  const AccessRules rules_;
  Mutex mutex_;
  std::map<std::string, Failures> failures_ GUARDED_BY(mutex_);
};

// The values of Host under which a listener is reached: its own address, and the names of loopback where it is one.
std::vector<std::string> HostsOf(const std::string& address, bool loopback);

}  // namespace anabranch
