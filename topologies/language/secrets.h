#pragma once

#include <string_view>
#include <vector>

#include "topologies/language/parse.h"

namespace anabranch {

// Whether a setting of an outside system holds a secret, judged by its name: "sasl.password", "ssl.key.pem".
bool NamesSecret(std::string_view key);

// Where secrets stand in the text of a topology file, ascending: excerpts leave these bytes out. They are the values
// that are marked as secret (by their name, or because a connection has no property of that name) and every
// text behind a name that NamesSecret() takes, which also holds for a file that cannot be parsed. A value that only
// refers to a variable or a file, "${NAME}", shows no secret. `topology`: null when the text could not be parsed.
std::vector<Place> SecretPlaces(const Topology* topology, std::string_view text);

}  // namespace anabranch
