#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/registry.h"

namespace anabranch {

// Fingerprints tell whether results that were kept are still those that the file asks for: two plans that give a stage
// the same one make the same results there. They hold neither ids nor what only says how, when or where something is
// run (batches, epochs, limits, retries, timeouts, keeping, breakers, descriptions, annotations). 16 hex digits each.

// Of a source: connector and what it reads, format, envelope, schema, key. Fills also `position_owner`.
// `member` is the object under the connector's name.
void FingerprintSource(const ConfigValue& root, const ConfigValue& entry, const ConfigValue& member, PlanSource& out);

// Of a node by itself: kind and its version, configuration, join, the `on_error` that applies; then a dash and another
// one of what the configuration's text does not hold (model bytes), where there is any. `out` is bound and its settings
// are read; `made` are its columns.
void FingerprintNode(const ConfigValue& entry, const NodeKind& kind, const std::vector<VisibleColumn>& made,
                     PlanNode& out);

// Of a node and everything above it; its inputs' are there.
void CloseFingerprint(const Plan& plan, PlanNode& out);

}  // namespace anabranch
