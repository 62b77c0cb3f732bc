#include "tests/nodes/infer/registry_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "engine/models/package.h"
#include "nodes/infer/infer.h"

namespace anabranch {

RegistryFolder::RegistryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "anabranch_registry_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::filesystem::filesystem_error("mkdtemp", name, {});
  path_ = name;
}

RegistryFolder::~RegistryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ModelVersion RegistryFolder::Pack(const std::string& version, const std::string& model, const std::string& features,
                                  const std::string& outputs, const std::string& inputs) {
  const std::string folder = path_ + "/m-" + version;
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/model.onnx", std::ios::binary) << model;
  std::ofstream(folder + "/features.json") << features;
  std::ofstream(folder + "/model.json") << R"({"anabranch_package": 1, "name": "m", "version": ")" << version
                                        << R"(", "inputs": )" << inputs << R"(, "outputs": )" << outputs << "}";
  const Status packed = PackFolder(folder);
  EXPECT_TRUE(packed.ok()) << packed.message();
  std::vector<PackageFault> faults;
  const auto package = ReadPackage(folder, "", &faults);
  for (const PackageFault& fault : faults) ADD_FAILURE() << fault.file << ": " << fault.message;
  return {"m", version, package == nullptr ? "" : package->manifest.digest, folder};
}

ManagedCase::ManagedCase() {
  runner.AddColumn("x", Type::Scalar(Kind::kInt64));
  runner.SetSection("models", "m", ConfigObject({{"registry", "."}, {"start", "1"}}));
  runner.SetBasePath(registry.path());
}

bool ManagedCase::Bind(std::initializer_list<ConfigMember> outputs, ConfigItem features) {
  return runner.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                      {"model", "m"},
                                                      {"features", std::move(features)},
                                                      {"outputs", ConfigObject(outputs)},
                                                      {"batch", ConfigObject({{"max_rows", 16}})}}));
}

Status ManagedCase::Deploy(uint32_t generation, const ModelVersion& version) {
  const Status prepared = managed().Prepare(version);
  if (prepared.ok()) managed().Add(GenerationId(generation), RecordOf(version));
  return prepared;
}

Status ManagedCase::RunFrom(const Scoring& scoring) {
  RecordBatch& batch = runner.batch();
  batch.positions = {{batch.partition[0], batch.offset.front(), batch.offset.back() + 1, scoring}};
  return runner.Run();
}

GenerationRecord RecordOf(const ModelVersion& version) {
  GenerationRecord record;
  record.model = version.model;
  record.arms = {{version.version, version.digest}};
  return record;
}

}  // namespace anabranch
