#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/file/file.h"
#include "engine/connector.h"
#include "engine/lane_context.h"
#include "engine/run/ledger.h"
#include "engine/testing/cells.h"
#include "engine/testing/config_builder.h"

namespace anabranch {

// A temporary folder, a ledger in it, and the connector as a topology sees it.
class FileFixture : public testing::Test, public BindServices {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "file_test.XXXXXX").string();
    root_ = mkdtemp(name.data());
    RegisterConnectorFile(registry_);
    connector_ = registry_.FindConnector("file");
    OpenLedger();
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(root_);
  }

  // ---- files
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  void Put(const std::string& name, std::string_view bytes) const {
    std::ofstream(Path(name), std::ios::binary | std::ios::trunc) << bytes;
  }
  void Append(const std::string& name, std::string_view bytes) const {
    std::ofstream(Path(name), std::ios::binary | std::ios::app) << bytes;
  }
  std::string Get(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name), std::ios::binary).rdbuf();
    return text.str();
  }

  // ---- a process: its ledger and its connector; reopening is the next process
  void OpenLedger() {
    auto ledger = Ledger::Open(Path("state"), Path("topology.json"));
    ASSERT_TRUE(ledger.ok()) << ledger.status().message();
    ledger_ = std::move(ledger).value();
    lane_.store = ledger_.get();
    lane_.partitions = &table_;
    lane_.state_dir = Path("state");
  }
  void Restart() {
    ledger_.reset();
    OpenLedger();
  }

  // ---- BindServices
  Result<std::string> ResolvePath(std::string_view path) const override {
    if (path.starts_with("..")) return Status(Code::kInvalid, "\"" + std::string(path) + "\" leaves the folder");
    return Path(std::string(path));
  }
  const ConfigValue* Section(std::string_view, std::string_view) const override { return nullptr; }
  std::vector<std::string> Names(std::string_view) const override { return {}; }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, FaultSink&) override {
    return nullptr;
  }

  std::filesystem::path root_;
  Registry registry_;
  const Connector* connector_ = nullptr;
  std::unique_ptr<Ledger> ledger_;
  SourceTable table_;
  LaneContext lane_;
  FaultSink faults_{"topology.json"};
};

}  // namespace anabranch
