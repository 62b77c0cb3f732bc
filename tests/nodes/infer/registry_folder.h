#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/generation_record.h"
#include "engine/managed_model.h"
#include "engine/testing/node_runner.h"

namespace anabranch {

// A registry with packages made in a test, in a folder that goes with the object.
class RegistryFolder {
 public:
  RegistryFolder();
  ~RegistryFolder();
  RegistryFolder(const RegistryFolder&) = delete;
  RegistryFolder& operator=(const RegistryFolder&) = delete;

  const std::string& path() const { return path_; }
  // Packs a version of the model "m". `features` is features.json; `outputs` and `inputs` are those of model.json.
  ModelVersion Pack(const std::string& version, const std::string& model,
                    const std::string& features = R"({"order": ["x"]})", const std::string& outputs = "{}",
                    const std::string& inputs = R"({"x": "int64"})");

 private:
  std::string path_;
};

// A node over a model of such a registry: column "x" (int64) and those that a test adds.
struct ManagedCase {
  RegistryFolder registry;
  NodeRunner runner;

  ManagedCase();
  // Binds the node with `outputs`; the file names version "1".
  bool Bind(std::initializer_list<ConfigMember> outputs, ConfigItem features = "package");
  ManagedModel& managed() { return *runner.program()->managed(); }
  // Prepares the version and lets it score from this generation on.
  Status Deploy(uint32_t generation, const ModelVersion& version);
  // The generations of the rows of partition 0, and their outcome.
  Status RunFrom(const Scoring& scoring);
};

GenerationRecord RecordOf(const ModelVersion& version);

}  // namespace anabranch
