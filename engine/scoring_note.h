#pragma once

#include <string>
#include <string_view>

#include "engine/ids.h"

namespace anabranch {

// What is stored in the text beside a position says which generation scores from where on: `note`, then
// "g=17;s=12345;h=0badcafe" (behind a ';' unless `note` is empty), the check in 8 hexadecimal digits. Without a check
// the last part is missing. Generation 0 adds nothing: the text is as it was before there were generations.
std::string WithScoring(std::string note, const Scoring& scoring);
// Takes it off the end of `note`; generation 0 where there is none. `before` is not stored.
Scoring TakeScoring(std::string_view* note);

}  // namespace anabranch
