#pragma once

#include <memory>
#include <string>

#include "engine/config.h"

namespace anabranch {

// A JSON tree that came out of a trial, in the form of a configuration, so that both sides of an expectation are one.
// Null when `text` is no JSON.
std::unique_ptr<ConfigValue> ParseJsonValue(std::string text);
// The value as JSON text, in one line.
std::string JsonText(const ConfigValue& value);
// The same with spaces behind commas and colons, as people write it.
std::string SpacedJson(const ConfigValue& value);
// That as a message shows it: cut where it is long, secrets as stars.
std::string ShowValue(const ConfigValue& value);

}  // namespace anabranch
