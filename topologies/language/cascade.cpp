#include "topologies/language/cascade.h"

#include <algorithm>

namespace anabranch {

namespace {

// Faults that may follow from a column whose maker is faulty.
bool HangsOnColumns(FaultCode code) {
  switch (code) {
    case FaultCode::kUnknownColumn:
    case FaultCode::kTypeConflict:
    case FaultCode::kExpressionType:
    case FaultCode::kModelInput:
    case FaultCode::kModelType:
    case FaultCode::kEnsembleMember: return true;
    default: return false;
  }
}

}  // namespace

void CascadeFilter::AddFaulty(const ConfigValue& entry) {
  if (!entry.name.empty()) names_.insert(entry.name);
  if (entry.is_string()) names_.insert(entry.text);
  for (const ConfigValue& child : entry.children) AddFaulty(child);
}

bool CascadeFilter::IsConsequence(const Fault& fault, bool blind) const {
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
  const auto& all = found.faults();
  const bool misses_columns =
      blind || std::any_of(all.begin(), all.end(), [&](const Fault& fault) { return IsConsequence(fault, blind); });
  for (const Fault& fault : all) {
    if (IsConsequence(fault, blind) ||
        (misses_columns && fault.code != FaultCode::kUnknownColumn && HangsOnColumns(fault.code))) {
      continue;
    }
    faults_.AddAtPlace(fault.code, fault.place, fault.pointer, fault.message, fault.hint);
  }
}

}  // namespace anabranch
