#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/fault.h"
#include "topologies/language/check_options.h"
#include "topologies/language/parse.h"

namespace anabranch {

// "models.gbt.path=new.onnx" or "/models/gbt/path=new.onnx" taken apart at the first "="; nothing where there is none
// or no path before it.
std::optional<TopologyEdit> ParseEdit(std::string_view text);

// The topology with `edits`, in their order: its text as if somebody had typed them, and the tree of that text. Faults
// of the new values are later found at their places. The last step of a path may be a new key of an object that is
// there; every other step must exist: else a fault with the nearest key, and null.
std::unique_ptr<Topology> ApplyEdits(std::unique_ptr<Topology> topology, const std::vector<TopologyEdit>& edits,
                                     FaultSink& faults);

}  // namespace anabranch
