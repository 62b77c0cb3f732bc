#include "topologies/language/cascade.h"

#include <algorithm>

namespace anabranch {

namespace {

// What a node says that finds nothing to write or to read.
bool IsAboutTheWholeNode(const Fault& fault) {
  return fault.pointer == "/nodes/" + fault.node || fault.pointer == "/nodes/" + fault.node + "/fields";
}

}  // namespace

void CascadeFilter::AddFaulty(const ConfigValue& entry) {
  if (!entry.name.empty()) names_.insert(entry.name);
  if (entry.is_string()) names_.insert(entry.text);
  for (const ConfigValue& child : entry.children) AddFaulty(child);
}

bool CascadeFilter::IsConsequence(const Fault& fault, bool blind) const {
  if (fault.code == FaultCode::kBadValue || fault.code == FaultCode::kMissingKey) return IsAboutTheWholeNode(fault);
  if (fault.code != FaultCode::kUnknownColumn) return false;
  if (blind) return true;
  std::string name = text_.substr(fault.place.begin, fault.place.end - fault.place.begin);
  std::erase_if(name, [](char c) { return c == '"' || c == '`'; });
  if (names_.count(name) != 0) return true;
  // A schema's nested fields are named step by step: "a.b" by "a" and "b".
  const size_t dot = name.rfind('.');
  return dot != std::string::npos && names_.count(name.substr(dot + 1)) != 0;
}

void CascadeFilter::PassOn(const FaultSink& found, bool blind) {
  for (const Fault& fault : found.faults()) {
    if (IsConsequence(fault, blind)) continue;
    faults_.PassOn(fault);
  }
}

namespace {

constexpr size_t kMaxCauses = 100;  // beyond that a user has other worries

bool IsErrorBelow(const Fault& fault, std::string_view section) {
  return !fault.warning && fault.pointer.starts_with(section);
}

std::string LastStep(const std::string& pointer) { return pointer.substr(pointer.rfind('/') + 1); }

// Faults that others may follow from.
bool IsCause(const Fault& fault) {
  return fault.code == FaultCode::kVariable || fault.code == FaultCode::kUnknownReference ||
         fault.code == FaultCode::kColumnMadeTwice || IsErrorBelow(fault, "/schemas/") ||
         IsErrorBelow(fault, "/sources/");
}

bool FollowsFrom(const Fault& fault, const Fault& cause) {
  const bool unused = fault.code == FaultCode::kUnused;
  if (cause.code == FaultCode::kVariable && fault.pointer == cause.pointer) return fault.code != FaultCode::kVariable;
  if (cause.code == FaultCode::kUnknownReference && unused && cause.meant == LastStep(fault.pointer)) return true;
  if (cause.code == FaultCode::kColumnMadeTwice && fault.code == FaultCode::kTypeConflict) {
    return fault.subject == cause.subject;
  }
  const bool no_schema = IsErrorBelow(cause, "/schemas/") || IsErrorBelow(cause, "/sources/");
  return no_schema && unused && !fault.node.empty();
}

}  // namespace

std::vector<Fault> WithoutConsequences(std::vector<Fault> faults) {
  std::vector<Fault> causes;
  for (const Fault& fault : faults) {
    if (IsCause(fault) && causes.size() < kMaxCauses) causes.push_back(fault);
  }
  std::erase_if(faults, [&](const Fault& fault) {
    return std::any_of(causes.begin(), causes.end(), [&](const Fault& cause) { return FollowsFrom(fault, cause); });
  });
  return faults;
}

}  // namespace anabranch
