#include "topologies/operate/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

constexpr off_t kMostFileBytes = off_t{8} << 20;
// Lines of refusals that may be saved up, and how long one takes to come: no token can fill the file with them.
constexpr double kMostRefusals = 50;
constexpr double kNsPerRefusal = 10e9;

}  // namespace

Status AuditLog::AddRefused(const Line& line) {
  {
    const MutexLock lock(mutex_);
    const int64_t now_ns = Clock::Real().NowNs();
    refusals_ = std::min(kMostRefusals, refusals_ + static_cast<double>(now_ns - refilled_ns_) / kNsPerRefusal);
    refilled_ns_ = now_ns;
    if (refusals_ < 1) {
      ++left_out_;
      return {};
    }
    refusals_ -= 1;
  }
  return Add(line);
}

Status AuditLog::Add(const Line& line) {
  const MutexLock lock(mutex_);
  JsonObject json;
  json.AddText("at", FormatInstant(Clock::Real().WallMs())).AddText("who", line.who).AddText("from", line.from);
  json.AddText("action", line.action).AddText("what", line.what).AddNumber("result", line.result);
  if (left_out_ > 0) json.AddNumber("refused_before", std::exchange(left_out_, 0));
  const std::string text = json.text() + "\n";
  struct stat info{};
  if (stat(path_.c_str(), &info) == 0 && info.st_size > kMostFileBytes) {
    (void)std::rename(path_.c_str(), (path_ + ".1").c_str());
  }
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return {Code::kUnavailable, "cannot write " + path_ + ": " + std::system_category().message(errno)};
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written ? Status::Ok() : Status(Code::kUnavailable, "cannot write " + path_);
}

Result<std::vector<std::string>> AuditLog::Last(size_t most) const {
  std::vector<std::string> lines;
  const MutexLock lock(mutex_);
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '}') lines.push_back(std::move(line));
  }
  std::ranges::reverse(lines);
  if (lines.size() > most) lines.resize(most);
  return lines;
}

}  // namespace anabranch
