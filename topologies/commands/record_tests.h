#pragma once

#include <string>

#include "topologies/commands/command.h"
#include "topologies/commands/test_view.h"

namespace anabranch {

// `test --record`: writes what came out in the place of what was expected, for the cases of one file that failed or
// expect nothing. Only the bytes of those values change: comments and layout stay. Shows the difference and, without
// `yes`, asks first. Returns the exit code; the file is replaced as a whole, or not at all.
int RecordTests(const ShownFile& file, bool yes, CommandIo& io);

// The text of the file with these cases recorded; the same text where nothing in it would help.
std::string RecordedText(const ShownFile& file);

}  // namespace anabranch
