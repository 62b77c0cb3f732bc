#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/managed_model.h"
#include "engine/models/package.h"
#include "engine/status.h"

namespace anabranch {

// The packages that a state folder holds by digest, in STATE_DIR/models/DIGEST: what history names can be served and
// rolled back to, whatever becomes of the registry. Several processes may use it at once: a package appears there
// complete (it is renamed into place) and is verified again before it is used.
class ModelStore {
 public:
  explicit ModelStore(std::string state_dir);
  // Copies a verified package; nothing when it is there.
  Status Put(const ModelPackage& package);
  // kUnavailable: it is not there, or is damaged: names the digest, the folder and the cure.
  Result<std::shared_ptr<const ModelPackage>> Get(const std::string& digest) const;
  // Looks in the store, then in the registry folder (and copies from there).
  Result<std::shared_ptr<const ModelPackage>> Find(const std::string& digest, const std::string& registry);
  // Removes all but these, and those that came in the last ten minutes: a command may be about to name one.
  Status Keep(const std::vector<std::string>& digests);

 private:
  const std::string folder_;
};

}  // namespace anabranch
