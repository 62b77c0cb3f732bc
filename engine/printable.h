#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace anabranch {

// Text from outside (a record's header, a file's name, a topology) as one line that is safe to print on a terminal or
// in a log: it can neither move the cursor, nor begin a line of its own, nor reorder what stands around it.
//
// Kept as they are: printable characters of valid UTF-8, backslashes included. Escaped: control characters ("\n", "\t",
// "\r", else "\x1b"), bytes that are not UTF-8 ("\xff"), characters that are invisible or change the direction of
// writing ("\u202e"). For reading only: the result cannot be turned back.
//
// Text longer than `max_bytes` is cut at a character and ends in "…". Any thread.
std::string Printable(std::string_view text, size_t max_bytes = std::string_view::npos);

// The same for a text of ours that has several lines on purpose: line ends stay.
std::string PrintableLines(std::string_view text);

}  // namespace anabranch
