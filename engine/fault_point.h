#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// Named places where a test may stop this program, on purpose and at a known step. Off unless armed: then a passed
// place costs one load of a constant flag. Compiled out with -DANABRANCH_FAULT_POINTS=OFF.
//
//   ANABRANCH_FAULT=NAME[:SUBJECT]@N=ACTION[,…]   at the Nth passing (from 1) of that place
//     ACTION: kill (SIGKILL to itself), stop (SIGSTOP), hang (never returns), fail (answers kStage; FaultStatus only),
//             failing (as fail, at the Nth passing and at every later one)
//   ANABRANCH_FAULT_LOG=FILE   appends "NAME SUBJECT COUNT\n" per passing; COUNT = what the place counts (rows)
//
// Names are literals, "noun.verb": tests list them from the sources, and one that no test reaches fails the suite.
#ifdef ANABRANCH_NO_FAULT_POINTS
inline void ArmFaultPoints(const std::string&, const std::string&) {}
inline void FaultPoint(std::string_view, std::string_view = {}, uint64_t = 1) {}
inline Status FaultStatus(std::string_view, std::string_view = {}, uint64_t = 1) { return {}; }
#else
// Reads both settings (main: from the environment; a test: its own). Empty texts disarm. Before threads start.
// A setting that cannot be read ends the program with exit code 2: a test must not pass by a typing error.
void ArmFaultPoints(const std::string& faults, const std::string& log);

namespace fault_internal {
extern bool armed;
Status Pass(std::string_view name, std::string_view subject, uint64_t count);
}  // namespace fault_internal

inline void FaultPoint(std::string_view name, std::string_view subject = {}, uint64_t count = 1) {
  if (fault_internal::armed) [[unlikely]]
    (void)fault_internal::Pass(name, subject, count);
}
inline Status FaultStatus(std::string_view name, std::string_view subject = {}, uint64_t count = 1) {
  if (fault_internal::armed) [[unlikely]]
    return fault_internal::Pass(name, subject, count);
  return {};
}
#endif

}  // namespace anabranch
