#pragma once

#include <string>

namespace anabranch {

// Which versions a process is loading, in a file that survives its death by a signal, and how often in a row a process
// died of that. Not for a power loss: nothing is synced, and a file that cannot be read or written counts as empty. One
// thread at a time.
class LoadAttempts {
 public:
  // Where it is noted; empty: nowhere.
  explicit LoadAttempts(std::string file) : file_(std::move(file)) {}

  // A load of the version with this digest begins. Returns how often in a row the process died in it before.
  int Begin(const std::string& digest) const;
  // It is over, or is not tried any more: the next one counts from 0.
  void End(const std::string& digest) const;

 private:
  const std::string file_;
};

}  // namespace anabranch
