#include "engine/http/http_listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include "engine/descriptor.h"

namespace anabranch {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
const std::string kUnix = "unix:";

std::string Why(int error) { return std::system_category().message(error); }

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

bool SomebodyListens(const sockaddr_un& address) {
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.get() < 0) return false;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  return errno == EAGAIN || errno == EINPROGRESS;  // it listens, and its queue is full
}

Result<Listening> ListenUnix(const std::string& path) {
  int folder = -1;
  ASSIGN_OR_RETURN(const std::string reachable, ShortSocketPath(path, &folder));
  const Descriptor closes(folder);
  const sockaddr_un address = UnixAddress(reachable);
  if (SomebodyListens(address)) return Status(Code::kUnavailable, "socket " + path + ": another process listens there");
  unlink(reachable.c_str());
  Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // The file is made with the rights of the socket: nobody else gets in between.
  const bool bound = fd.get() >= 0 && fchmod(fd.get(), kOwnerOnly) == 0 &&
                     bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                     chmod(reachable.c_str(), kOwnerOnly) == 0 && listen(fd.get(), kBacklog) == 0;
  if (!bound) return Status(Code::kUnavailable, "socket " + path + ": " + Why(errno));
  return Listening{.fd = fd.Release(), .local_file = true, .loopback = true, .address = kUnix + path};
}

struct HostPort {
  std::string host;
  int port = 0;
};

// "127.0.0.1:80", "localhost:80", "[::1]:80".
std::optional<HostPort> SplitAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort split{.host = text.substr(0, colon)};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, split.port);
  if (error != std::errc() || rest != end || split.port < 0 || split.port > 65535) return std::nullopt;
  const bool bracketed = split.host.front() == '[' && split.host.back() == ']';
  if (bracketed) split.host = split.host.substr(1, split.host.size() - 2);
  if (!bracketed && split.host.find(':') != std::string::npos) return std::nullopt;
  return split;
}

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  }
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
}

std::string Written(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getsockname(fd, plain, &size) != 0 ||
      getnameinfo(plain, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  const std::string name = address.ss_family == AF_INET6 ? "[" + std::string(host) + "]" : std::string(host);
  return name + ":" + port;
}

Result<Listening> ListenTcp(const std::string& text) {
  const std::optional<HostPort> split = SplitAddress(text);
  if (!split) {
    return Status(Code::kInvalid,
                  "\"" + text + "\" is no address: write HOST:PORT, for example 127.0.0.1:8787 or [::1]:8787");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(split->host.c_str(), std::to_string(split->port).c_str(), &hints, &found);
  if (error != 0) return Status(Code::kInvalid, "\"" + text + "\": " + gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> frees(found, freeaddrinfo);
  Descriptor fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  const bool bound = fd.get() >= 0 && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
                     bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0;
  if (!bound) {
    return Status(Code::kUnavailable, text + ": " + Why(errno) + "; choose another port, or 0 for a free one");
  }
  const bool loopback = IsLoopback(found->ai_addr);
  std::string address = Written(fd.get());
  return Listening{.fd = fd.Release(), .local_file = false, .loopback = loopback, .address = std::move(address)};
}

}  // namespace

Result<std::string> ShortSocketPath(const std::string& path, int* folder) {
  const std::filesystem::path file(path);
  const std::string parent = file.has_parent_path() ? file.parent_path().string() : ".";
  *folder = open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*folder < 0) return Status(Code::kUnavailable, "socket " + path + ": " + Why(errno));
  return "/proc/self/fd/" + std::to_string(*folder) + "/" + file.filename().string();
}

Result<Listening> ListenAt(const std::string& address) {
  return address.starts_with(kUnix) ? ListenUnix(address.substr(kUnix.size())) : ListenTcp(address);
}

void ForgetSocket(const Listening& listening) {
  if (listening.local_file) unlink(listening.address.substr(kUnix.size()).c_str());
}

}  // namespace anabranch
