#pragma once

#include <string>

#include "engine/config.h"

namespace anabranch {

// One line that GitHub's workflows show at a place of a file. `level`: "error" or "warning".
std::string GithubLine(const std::string& level, const std::string& file, const Place& place, const std::string& title,
                       const std::string& message);

}  // namespace anabranch
