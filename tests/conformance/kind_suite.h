#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/registry.h"
#include "engine/testing/node_runner.h"

namespace anabranch {

// One node kind under the rules that every kind keeps (engine/node.h). A kind's own test says what it computes; this
// suite says that it fits into the engine.
struct KindCase {
  std::string kind;
  std::string file;      // where the topology would lie: models are found beside it
  std::string topology;  // a whole, sound topology (JSON) in which `node` is of this kind
  std::string node;
  // For each field of the kind, two merge patches of the node (RFC 7386), one after the other, of which the second
  // changes that field only. Both results are sound. A field without a change fails the test, so that none is
  // forgotten.
  struct Change {
    std::string base = "{}", patch;
  };
  std::map<std::string, Change> changes;
  // Fills `rows` rows of a bound runner, the first being `first` of an endless sequence of records. Null: the kind
  // makes no columns that could depend on the batch.
  std::function<void(NodeRunner& runner)> bind;
  std::function<void(NodeRunner& runner, int first, int rows)> fill;
};

// The specification is complete: name, summary, a sentence for each field, defaults that are JSON, an example of it.
void CheckSpecIsComplete(const NodeKind& kind);
// The fingerprint of the node changes with a field if, and only if, the field's spec says that it affects results.
void CheckFingerprint(const Registry& registry, const KindCase& tested);
// Outcomes, errors and made columns of a row are the same in one batch, in its halves, in rows alone, and when the same
// batch is processed again.
void CheckBatchesDoNotMatter(const KindCase& tested);

}  // namespace anabranch
