#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// What the gate looks at. The parts of a request's head as its library left them in the buffer that was received: line
// ends, the colons of headers and the marks within the target are overwritten with NUL, the rest stands as it came.
struct RequestHead {
  std::string_view method, target, version;
  struct Header {
    std::string_view name, value;
  };
  std::vector<Header> headers = {};
  const char* end = nullptr;  // after the empty line
};

// Why a request is refused; null: it is sound. Refuses what two programs in a row could read in two ways: gaps between
// the parts (a folded header, a bare line feed, a NUL), control characters, a name that is no token, Content-Length
// together with Transfer-Encoding, one of these or Host given twice, another coding than "chunked".
const char* FaultIn(const RequestHead& head);

// "/a/b%20c?x=1&y=2": decoded once. False: not plain (no "/" at the beginning, a faulty "%", "..", ".", "//", a
// backslash, a control character, not UTF-8, a key twice, more than 64 pairs).
bool ParseTarget(std::string_view target, std::string* path, std::map<std::string, std::string>* query);

}  // namespace anabranch
