#pragma once

#include <string>

namespace anabranch {

class ControlProgram;
class SourceProgram;
class TargetProgram;

// One part of a topology that needs something outside; exactly one of the programs is set.
struct OutsideNeed {
  std::string who;  // "source \"payments\"", "node \"out\"", "dead letters", "control"
  const SourceProgram* source = nullptr;
  const TargetProgram* target = nullptr;
  const ControlProgram* control = nullptr;
};

}  // namespace anabranch
