#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/target.h"

namespace anabranch {

// Which models scored a row, as a small number: result headers name them without building a text per record. A model
// that was skipped for a row, or failed there and was replaced by a null or a default, did not score it. Of a model
// with versions (StageRows::versions) the one that scored the row is named. One per encoder; not thread-safe. It
// remembers at most kMostSets sets beside those of one batch.
class ModelSets {
 public:
  static constexpr size_t kMostSets = 4096;

  explicit ModelSets(std::vector<ResultIdentity::Model> models);

  // Per row its set, below size(). Numbers of earlier calls may be given anew.
  std::span<const uint32_t> Find(const RecordBatch& batch);
  size_t size() const { return names_.size(); }
  // "gbt@7,nn@1": each model once, in plan order; empty when none scored the row.
  const std::string& names(uint32_t set) const { return names_[set]; }

 private:
  void SetBits(const RecordBatch& batch);
  void SetVersions(const StageRows& stage, size_t model);
  uint32_t SetOf(std::string_view key);
  std::string NamesOf(std::string_view key) const;

  const std::vector<ResultIdentity::Model> models_;
  const size_t words_;          // of a key: a bit for each model
  std::vector<size_t> places_;  // by model with versions: where its version stands in a key; 0: it has none
  size_t key_words_;            // with them
  std::vector<uint64_t> keys_;  // by row: who scored it
  std::vector<uint32_t> rows_;  // by row: its set
  std::map<std::string, uint64_t, std::less<>> versions_;
  std::map<std::string, uint32_t, std::less<>> sets_;  // by the bytes of a key
  std::vector<std::string> version_names_;             // by number in versions_, from 1
  std::vector<std::string> names_;                     // by set
};

}  // namespace anabranch
