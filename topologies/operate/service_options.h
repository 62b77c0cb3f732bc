#pragma once

#include <string>
#include <vector>

namespace anabranch {

// What `run` and `restart` serve besides the socket in the state folder.
struct ServiceOptions {
  std::string metrics;                     // address: probes and metrics, no token, no record data; empty: none
  std::string http;                        // address: the page and the API; empty: none
  std::string certificate_file, key_file;  // of `http`
  bool behind_proxy = false;               // somebody else does the TLS of `http`
  std::string tokens_file;                 // empty: one token is made, and printed once; loopback only
  std::vector<std::string> hosts;          // further values of Host
  std::string assets;                      // folder with the files of the page; empty: those within the program
};

}  // namespace anabranch
