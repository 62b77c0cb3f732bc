#pragma once

#include <string>

#include "engine/status.h"

namespace anabranch {

// A socket that listens, and its address as people write it.
struct Listening {
  int fd = -1;
  bool local_file = false;
  bool loopback = false;
  std::string address;  // "127.0.0.1:8787", "unix:PATH"
};

// See HttpServerOptions::listen.
Result<Listening> ListenAt(const std::string& address);
// Removes the file of a Unix socket. Before the socket is closed: another process may bind it after that.
void ForgetSocket(const Listening& listening);

// A path to reach a Unix socket by, at most 107 bytes long, while the descriptor `folder` is open. The caller closes
// it.
Result<std::string> ShortSocketPath(const std::string& path, int* folder);

}  // namespace anabranch
