#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "engine/keep/kept_batch.h"
#include "engine/testing/cells.h"
#include "engine/testing/plan_builder.h"

namespace anabranch {

// A folder of its own, gone with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "anabranch_keep.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void WriteAll(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// ANABRANCH_TEST_SEED repeats a run; printed so that a failure can be repeated.
inline uint64_t TestSeed() {
  const char* given = std::getenv("ANABRANCH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "ANABRANCH_TEST_SEED=" << seed << std::endl;
  return seed;
}

// A plan with a column of every type, made by the source and by node "a"; "b" reads them all; "out" writes early.
//
//   in0 ── a ── b ── late
//     └── out
struct KeepPlan {
  KeepPlan();
  ColumnId Column(const std::string& name, Type type, const std::string& maker);
  std::vector<bool> Done(std::initializer_list<StageId> stages) const;
  // Everything of the stages that are `done`, by their own ids.
  RestoreRules ReuseAll() const;

  PlanBuilder builder;
  StageId in = 0, a = 0, b = 0, out = 0, late = 0;
  std::vector<ColumnId> source_columns, a_columns;
  const Plan* plan = nullptr;
};

// A batch as it is when in0, a and out are done: random rows of `partitions` partitions, outcomes and cells.
void FillRandomBatch(const KeepPlan& plan, std::mt19937_64& random, uint32_t rows, SourceTable& partitions,
                     size_t partition_count, RecordBatch* batch);

// Compares row `row` of `got` with row `want_row` of `want`: what a source brought.
void ExpectSameRow(const RecordBatch& got, uint32_t row, const RecordBatch& want, uint32_t want_row);
// Also columns and results of stages that were kept.
void ExpectSameResults(const KeepPlan& plan, const RecordBatch& got, uint32_t row, const RecordBatch& want,
                       uint32_t want_row);
void ExpectSameEncoded(const EncodedRows& got, const SourceTable& got_names, const EncodedRows& want,
                       const SourceTable& want_names);

}  // namespace anabranch
