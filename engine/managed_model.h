#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/status.h"

namespace anabranch {

struct CompareSpec;  // engine/strategy/compare.h
struct GenerationRecord;

// One version of a model: a package that lies in a folder of its own.
struct ModelVersion {
  std::string model;    // its name in the topology
  std::string version;  // of the package
  std::string digest;   // of the package, 64 hexadecimal digits
  std::string folder;   // where its files are; they do not change
};

// The part of a bound node by which the versions of its model come and go while workers score with it. One per node;
// lives as long as the node's program. Prepare() and Forget() are called by one thread that is not a worker's, one call
// at a time; workers take what was prepared over at the next batch.
class ManagedModel {
 public:
  virtual ~ManagedModel() = default;
  virtual const std::string& model() const = 0;  // its name in the topology
  // Binds the version to the node's columns, loads it for every worker that is open and for those that open later, and
  // warms it up. Does nothing when it is prepared already. kInvalid: the version does not fit this node (all reasons,
  // one per line). kUnavailable, kStage: it cannot be loaded.
  virtual Status Prepare(const ModelVersion& version) = 0;
  // Rows of generation `generation` are scored as `record` says. Its versions are prepared. Before any row of it.
  virtual void Add(GenerationId generation, const GenerationRecord& record) = 0;
  // Adds to `spec` what is compared of the arms of a generation: the outputs of the node as the serving version
  // `digest` describes them (bins, classes), in the order of ArmScores::columns; a vector is one column and as many
  // outputs. Prepared before. Any thread.
  virtual void AddCompared(const std::string& /*digest*/, CompareSpec* /*spec*/) const {}
  // No row below `oldest` comes any more: versions that only older generations use may be unloaded, except those in
  // `keep` (digests).
  virtual void Forget(GenerationId oldest, const std::vector<std::string>& keep) = 0;
  // There is memory for one version only ("swap": "in_place").
  virtual bool in_place() const { return false; }
  // Unloads every version, while no worker has a batch. The next row comes after the next Prepare() and Add().
  virtual void Unload() {}
};

}  // namespace anabranch
