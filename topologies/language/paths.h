#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// Judges the paths of one topology file: they may not leave its folder tree or the allowed folders,
// links followed. Immutable.
class PathJudge {
 public:
  PathJudge(const std::string& topology_file, const std::vector<std::string>& allowed);

  // Absolute, links resolved; kInvalid with a text for the user when outside. Need not exist.
  Result<std::string> Resolve(std::string_view path) const;
  // The same for a secret: only below /run/secrets or an allowed folder, not beside the topology.
  Result<std::string> ResolveSecret(std::string_view path) const;
  const std::string& folder() const { return folder_; }

 private:
  Result<std::string> Canonical(std::string_view path) const;

  std::string folder_;
  std::vector<std::string> allowed_;
};

}  // namespace anabranch
