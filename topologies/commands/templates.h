#pragma once

#include <string>
#include <vector>

namespace anabranch {

// A complete topology, built into the program from topologies/templates/NAME.json.
struct TopologyTemplate {
  std::string name;
  std::string text;
};

// In name order. Defined by a source that CMake makes from the files.
const std::vector<TopologyTemplate>& TopologyTemplates();

}  // namespace anabranch
