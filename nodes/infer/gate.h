#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/models/package.h"

namespace anabranch {

// The gates of a package: what can be said about its model without a stream. In this order, each only if those before
// found nothing: the model loads and its features bind, it warms up, the always-set, the confidence set, the limits.
//
// tests/always.jsonl, one row per line: {"inputs": {"amount": 1.5}, "expect": {"probabilities[1]": 0.25}}: the parts of
// outputs are written as in a node. tests/confidence.jsonl: {"inputs": {…}, "y": 1}, where "y" is the gate's label.
//
// Codes: "model", "opset", "external_data", "expression", "width", "test_row", "always", "always_empty", "nan",
// "confidence_low", "confidence_high", "confidence_undefined", "latency", "memory", "hangs".

// In this process: a model that crashes takes it along. `measured` (may be null): gate → what it measured, for people.
std::vector<PackageFault> RunGates(const ModelPackage& package, std::map<std::string, std::string>* measured = nullptr);

// With this exit code the process ends whose model cannot be ended.
inline constexpr int kGateHangsExit = 124;

// The package is read, verified and put through its gates by a process of its own, `anabranch model check` at the
// lowest priority. A process that crashes is a fault "crashed", one that does not end in `timeout_ms` is killed:
// "hangs".
std::vector<PackageFault> CheckInChild(const std::string& place, int timeout_ms);

// The same with what it measured, and with the arguments of `anabranch` behind "model check PLACE". The process is
// ended when `cancel` (may be null) is raised: "cancelled".
struct PackageVerdict {
  std::vector<PackageFault> faults;
  std::map<std::string, std::string> measured;
};
PackageVerdict CheckInChild(const std::string& place, const std::vector<std::string>& arguments, int timeout_ms,
                            const CancelToken* cancel = nullptr);

}  // namespace anabranch
