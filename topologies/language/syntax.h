#pragma once

#include <string>
#include <vector>

#include "topologies/language/scanner.h"

namespace anabranch {

// Where in the grammar reading stopped.
enum class Expecting : uint8_t { kRoot, kFirstMember, kColon, kFirstItem, kNextMember, kNextItem, kEnd };

struct SyntaxFault {
  Place place;
  std::string message;
  std::string hint;
};

// Says what is wrong behind the last good token, on which `scanner` stands.
SyntaxFault DescribeSyntax(Scanner scanner, Expecting expecting);

}  // namespace anabranch
