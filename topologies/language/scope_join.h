#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/fault.h"
#include "engine/scope.h"

namespace anabranch {

// What reaches a node through one of its inputs.
struct Inflow {
  const Scope* scope = nullptr;
  const std::vector<bool>* sources = nullptr;  // by source: rows of it come this way
  const ConfigValue* place = nullptr;          // the input's string, for faults
};

// The columns that a node with these inputs may read. Branches of one source join by identity: their
// columns are all there (null where another branch let the row through, under `any`). Rows of different
// sources are a union: only columns that every source's rows have. One name for two columns is a fault;
// such names are added to `in_conflict` and are not readable.
Scope JoinScopes(const std::vector<Inflow>& inflows, bool any, std::vector<std::string>* in_conflict,
                 FaultSink& faults);

}  // namespace anabranch
