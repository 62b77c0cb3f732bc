#pragma once

#include <string_view>

namespace anabranch {

// The codes with which a record fails (RowError::code). Dead letters bear them, and tests expect them.
struct RowCode {
  std::string_view code;
  std::string_view about;
};
inline constexpr RowCode kRowCodes[] = {
    {"crash", "processing it ended the process"},
    {"csv", "it is no row of CSV"},
    {"depth", "its JSON is nested too deep"},
    {"duplicate_key", "its JSON has a key twice"},
    {"envelope", "the envelope around it is wrong"},
    {"expression", "an expression could not be computed for it"},
    {"given_up", "the operator gave it up"},
    {"json", "it is no JSON object"},
    {"key", "it has no key"},
    {"model", "the model refuses it"},
    {"non_finite", "a number is infinite or not a number"},
    {"null_feature", "a feature is null"},
    {"quorum", "too few members of an ensemble have a value"},
    {"refused_by_target", "the target never accepts it"},
    {"rule", "a rule is not met"},
    {"schema", "it does not fit the schema"},
    {"tie", "the votes of an ensemble are equal"},
    {"time", "it has no event time"},
    {"time_ahead", "its event time is too far ahead of the clock"},
    {"timeout", "the time of a node ran out"},
    {"too_large", "it is too large"},
    {"unknown_key", "its JSON has a key that the schema does not allow"},
    {"utf8", "it is not UTF-8"},
};

}  // namespace anabranch
