#pragma once

#include <string>

namespace anabranch {

class SourceProgram;
class TargetProgram;

// One part of a topology that needs something outside; exactly one of the two programs is set.
struct OutsideNeed {
  std::string who;  // "source \"payments\"", "node \"out\"", "dead letters"
  const SourceProgram* source = nullptr;
  const TargetProgram* target = nullptr;
};

}  // namespace anabranch
