#pragma once

#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "engine/models/package.h"
#include "engine/models/scratch_folder.h"

namespace anabranch {

// A package that a command works on. A tar is unpacked to a folder that goes with this object.
class OpenedPackage {
 public:
  explicit OpenedPackage(const std::string& place);
  OpenedPackage(const OpenedPackage&) = delete;
  OpenedPackage& operator=(const OpenedPackage&) = delete;

  std::shared_ptr<const ModelPackage> package;  // null when there are faults
  std::vector<PackageFault> faults;

 private:
  std::optional<ScratchFolder> scratch_;
};

// True for a folder with a model.json, and for a tar.
bool LooksLikePackage(const std::string& place);

// One line per fault: "gbt-8/model.onnx: checksum: …".
void PrintPackageFaults(const std::string& place, const std::vector<PackageFault>& faults, std::ostream& out);

// {"package": …, "name": …, "version": …, "digest": …, "ok": …, "faults": […], "measured": {…}}
std::string PackageVerdictJson(const std::string& place, const ModelPackage* package,
                               const std::vector<PackageFault>& faults,
                               const std::map<std::string, std::string>& measured);

// 0 without a fault; 69 when files cannot be read, else 1.
int PackageExit(const std::vector<PackageFault>& faults);

}  // namespace anabranch
