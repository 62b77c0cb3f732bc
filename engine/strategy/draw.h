#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace anabranch {

// Who gets which arm: a function of a salt and of the unit (the record's key or its id) only. So it is the same on
// replay, after a restart and on every instance, and it needs no memory.

// The salt of one decision: `purpose` ("canary", "shadow", "bandit", …) keeps decisions of one generation apart, and
// `generation`, in which the decision began, those of one purpose: the next rollout picks other keys.
uint64_t SaltOf(std::string_view purpose, uint64_t generation);

// A number of [0, 1) with 53 bits: (XXH3_64(salt ‖ unit) >> 11) · 2^-53, the salt as 8 bytes, the lowest first.
double Draw(uint64_t salt, std::string_view unit);

// Whether the unit is within `share` (0 to 1). With the same salt a larger share only adds units.
inline bool IsWithin(uint64_t salt, std::string_view unit, double share) { return Draw(salt, unit) < share; }

// The arm of a unit that drew `u`: the first one whose cumulative probability is above it. What rounding leaves over at
// the end belongs to the last arm with a probability above 0. `probabilities` is not empty.
size_t ArmOf(double u, std::span<const double> probabilities);

}  // namespace anabranch
