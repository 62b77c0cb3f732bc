#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "engine/status.h"

namespace anabranch {

// Who changed what, in STATE_DIR/audit.jsonl: one JSON object per line, never record data. Above 8 MiB the file becomes
// audit.jsonl.1, and a new one begins. Any thread.
class AuditLog {
 public:
  explicit AuditLog(std::string state_dir) : path_(std::move(state_dir) + "/audit.jsonl") {}

  struct Line {
    std::string who;     // the name of a token; "local"
    std::string from;    // its address
    std::string action;  // POST /api/v1/restart
    std::string what;    // the request's body, without secrets, cut
    int result = 0;      // HTTP code
  };
  Status Add(const Line& line);
  // Of a caller who may not do it. Who asks again and again gets a line every ten seconds; the next line then says how
  // many are missing ("refused_before").
  Status AddRefused(const Line& line);
  // The newest lines, newest first, each as it stands in the file.
  Result<std::vector<std::string>> Last(size_t most) const;

 private:
  const std::string path_;
  mutable Mutex mutex_;
  double refusals_ GUARDED_BY(mutex_) = 0;  // that may be written
  int64_t refilled_ns_ GUARDED_BY(mutex_) = 0, left_out_ GUARDED_BY(mutex_) = 0;
};

}  // namespace anabranch
