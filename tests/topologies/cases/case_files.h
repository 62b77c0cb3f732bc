#pragma once

#include <string>
#include <vector>

#include "engine/registry.h"
#include "topologies/language/check.h"

namespace anabranch {

// Cases are folders under tests/cases: data, no code.
std::string CasesRoot();
// Names of the folders below tests/cases/GROUP that hold a topology.json, sorted.
std::vector<std::string> CaseNames(const std::string& group);
std::string ReadText(const std::string& path);

// The program's own node kinds and connectors.
const Registry& WholeRegistry();
// The surroundings of every case: models may be read from tests/models; the variables
// BROKERS=broker:9092, ROWS=64, SECRET=hunter2 and EMPTY= are set, no others.
CheckOptions CaseOptions();

// "CODE line:col pointer" per fault, sorted.
std::vector<std::string> FaultLines(const std::vector<Fault>& faults);
// The same with messages, for the output of a failed test.
std::string Describe(const std::vector<Fault>& faults);

}  // namespace anabranch
