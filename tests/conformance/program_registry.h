#pragma once

#include "connectors/catalog.h"
#include "engine/formats/catalog.h"
#include "engine/registry.h"
#include "nodes/catalog.h"

namespace anabranch {

// The parts of the program and those that `add` adds. Never freed: for a static variable.
inline const Registry* MakeProgramRegistry(void (*add)(Registry&) = nullptr) {
  auto* made = new Registry();
  RegisterAllNodes(*made);
  RegisterAllConnectors(*made);
  RegisterAllFormats(*made);
  if (add != nullptr) add(*made);
  return made;
}

}  // namespace anabranch
