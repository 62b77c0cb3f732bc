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

// Whether `token` is a number, true, false or null in full. The library splits "01" and "1x" in two, the scanner does
// not.
bool IsWholeScalar(std::string_view token);

// Says what is wrong with a token that is no whole scalar.
SyntaxFault DescribeScalar(const Place& place, std::string_view token);
// Says what is wrong behind the last good token, on which `scanner` stands.
SyntaxFault DescribeSyntax(Scanner scanner, Expecting expecting);

}  // namespace anabranch
