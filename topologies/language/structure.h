#pragma once

#include <string>
#include <unordered_set>

#include "engine/fault.h"
#include "engine/registry.h"
#include "engine/spec.h"

namespace anabranch {

// Takes the notes out of an object ("x-…", "$schema", "$comment"), so that nothing behind the structural check can take
// one for content. Done here for every object whose keys the format knows; what has a vocabulary of its own (a JSON
// Schema, the records of a test) is left as it is. Pointers to members become invalid when there was a note.
void DropNotes(ConfigValue& object);

// Compares a value with a shape: unknown keys, missing keys, types, words, ranges. Text that came from
// a variable is turned into the number or boolean that is wanted, in place. `what` names the object in
// messages (`node "score"`). Returns whether a reader may rely on the shape; an unknown key is a fault,
// but does not stand in a reader's way.
bool CheckShape(ConfigValue& value, const Shape& shape, const std::string& what, FaultSink& faults);
bool CheckFields(ConfigValue& object, const std::vector<FieldSpec>& fields, const std::string& what, FaultSink& faults,
                 bool open = false);

// Entries whose structure cannot be relied upon: they are not bound.
using Broken = std::unordered_set<const ConfigValue*>;

// The whole file against the format, the node kinds and the connectors. Its notes are gone afterwards. `tests`: the
// cases of the file too.
Broken CheckStructure(ConfigValue& root, const Registry& registry, FaultSink& faults, bool tests = true);

}  // namespace anabranch
