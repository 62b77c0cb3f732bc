#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace anabranch {

// Rows of a tap (topologies/operate/tap_hub.h), each with a line feed at its end.

// For people: where the row is from, headers, values before, and with a "+" those that the node made. Long values are
// cut; every text from outside is printable.
std::string TapRowText(const nlohmann::ordered_json& row, bool colour);
// One line in the envelope of `kcat -J`: the payload is the JSON text of the values that the node made, wrote or, of
// inputs, reads.
std::string TapRowKcat(const nlohmann::ordered_json& row);
// "20 of 12,400 seen, 3 dropped".
std::string TapSummary(int64_t shown, int64_t seen, int64_t dropped);

}  // namespace anabranch
