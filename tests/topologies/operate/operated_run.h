#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/run/pipeline.h"
#include "tests/conformance/program_registry.h"
#include "topologies/language/check.h"

namespace anabranch {

// A topology with the program's own parts, run from a file in a folder of its own.
class OperatedRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "operated_run.XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // `schema`: the properties; `nodes`: with "out", a persist node.
  void Check(const std::string& properties, const std::string& nodes,
             const std::string& more_of_source = R"(, "key": {"field": "id"})") {
    const std::string text = R"({"anabranch": 1, "name": "seen",
      "schemas": {"s": {"type": "object", "properties": {)" +
                             properties + R"(}}},
      "sources": {"in": {"file": {"path": "in.jsonl"}, "format": "json", "schema": "s")" +
                             more_of_source + R"(}},
      "nodes": {)" + nodes + "}}";
    CheckOptions options;
    checked_ = CheckTopologyText(folder_ / "topology.json", text, registry(), options);
    ASSERT_TRUE(checked_.ok()) << (checked_.faults.empty() ? "" : checked_.faults.front().message);
  }

  void Write(const std::string& lines) { std::ofstream(folder_ / "in.jsonl") << lines; }

  // Runs to the end of the input and shows each batch.
  RunSummary Run(const std::function<void(const RecordBatch&)>& batch) {
    RunObserver observer;
    observer.batch = batch;
    RunOptions options;
    options.state_dir = folder_ / ("state" + std::to_string(runs_++));
    options.once = true;
    options.workers = 2;
    Pipeline pipeline(*checked_.plan, registry(), options, observer);
    (void)pipeline.Start();
    return pipeline.Finish();
  }

  static const Registry& registry() {
    static const Registry* const all = MakeProgramRegistry();
    return *all;
  }

  std::filesystem::path folder_;
  CheckedTopology checked_;
  int runs_ = 0;
};

}  // namespace anabranch
