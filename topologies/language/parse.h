#pragma once

#include <memory>
#include <string>

#include "engine/config.h"
#include "engine/fault.h"

namespace anabranch {

// What was written: text and tree with places, unchecked. Never moves once made.
struct Topology {
  std::string file;  // as the user named it, for messages
  std::string text;
  ConfigValue root;
};

// JSON with comments → tree. Faults (syntax, duplicate keys, too deep, too large, BOM, NUL, invalid
// UTF-8) go to `faults`; null only when no tree can be made. Bounded in time and memory: 16 MiB, depth 100.
std::unique_ptr<Topology> ParseTopology(const std::string& file, std::string text, FaultSink& faults);

// Reads the file and parses it.
std::unique_ptr<Topology> LoadTopology(const std::string& file, FaultSink& faults);

}  // namespace anabranch
