#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/registry.h"

namespace anabranch {

// A fingerprint tells whether kept results are still the results that the file asks for: two plans that give a stage
// the same fingerprint compute the same results there. It has 16 hex digits. Each key counts as its FieldSpec says
// (`affects`); a key without a spec counts. Ids never count.

// Of a source: the connector and what it reads, format, envelope, schema, key. Also fills `position_owner`.
// `member` is the object under the connector's name; `out` has its format.
void FingerprintSource(const ConfigValue& root, const ConfigValue& entry, const ConfigValue& member,
                       const Registry& registry, PlanSource& out);

// Of a node by itself: kind and its version, configuration, join, the `on_error` that applies; then a dash and another
// one of what the configuration's text does not hold (model bytes), where there is any. `out` is bound and its settings
// are read; `made` are its columns.
void FingerprintNode(const ConfigValue& entry, const NodeKind& kind, const std::vector<VisibleColumn>& made,
                     PlanNode& out);

// Of a node and everything above it; its inputs' are there.
void CloseFingerprint(const Plan& plan, PlanNode& out);

}  // namespace anabranch
