#include "engine/model_sets.h"

#include <algorithm>

namespace anabranch {

ModelSets::ModelSets(std::vector<ResultIdentity::Model> models)
    : models_(std::move(models)), words_((models_.size() + 63) / 64), places_(models_.size()), key_words_(words_) {}

std::span<const uint32_t> ModelSets::Find(const RecordBatch& batch) {
  bool more_versions = false;  // a model has versions from now on: keys are longer
  for (size_t model = 0; model < models_.size(); ++model) {
    if (places_[model] != 0 || batch.stages[models_[model].stage].versions.empty()) continue;
    places_[model] = key_words_++;
    more_versions = true;
  }
  if (names_.size() > kMostSets || more_versions) {
    sets_.clear();
    names_.clear();
    versions_.clear();
    version_names_.clear();
  }
  SetBits(batch);
  for (size_t model = 0; model < models_.size(); ++model) {
    if (places_[model] != 0) SetVersions(batch.stages[models_[model].stage], model);
  }
  rows_.resize(batch.rows());
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const uint64_t* key = keys_.data() + row * key_words_;
    bool as_above = row > 0;
    for (size_t word = 0; as_above && word < key_words_; ++word) as_above = key[word] == *(key + word - key_words_);
    rows_[row] = as_above ? rows_[row - 1] : SetOf({reinterpret_cast<const char*>(key), key_words_ * sizeof(uint64_t)});
  }
  return rows_;
}

void ModelSets::SetBits(const RecordBatch& batch) {
  keys_.assign(batch.rows() * key_words_, 0);
  for (size_t model = 0; model < models_.size(); ++model) {
    const Outcome* outcome = batch.stages[models_[model].stage].outcome.data();
    uint64_t* key = keys_.data() + model / 64;
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      key[row * key_words_] |= uint64_t{outcome[row] == Outcome::kOk} << (model % 64);
    }
  }
}

// 0 stands for the version of the plan.
void ModelSets::SetVersions(const StageRows& stage, size_t model) {
  std::vector<uint64_t> numbers;
  for (const std::string& version : stage.versions) {
    const auto [known, added] = versions_.emplace(version, version_names_.size() + 1);
    if (added) version_names_.push_back(version);
    numbers.push_back(known->second);
  }
  uint64_t* key = keys_.data() + places_[model];
  for (size_t row = 0; row < stage.version.size() && row < stage.outcome.size(); ++row) {
    const bool named = stage.outcome[row] == Outcome::kOk && stage.version[row] < numbers.size();
    if (named) key[row * key_words_] = numbers[stage.version[row]];
  }
}

uint32_t ModelSets::SetOf(std::string_view key) {
  if (const auto found = sets_.find(key); found != sets_.end()) return found->second;
  const auto set = static_cast<uint32_t>(names_.size());
  names_.push_back(NamesOf(key));
  sets_.emplace(key, set);
  return set;
}

std::string ModelSets::NamesOf(std::string_view key) const {
  const auto word = [key](size_t at) {
    uint64_t number;
    __builtin_memcpy(&number, key.data() + at * sizeof number, sizeof number);
    return number;
  };
  std::vector<std::string> named;
  std::string names;
  for (size_t model = 0; model < models_.size(); ++model) {
    const uint64_t version = places_[model] == 0 ? 0 : word(places_[model]);
    const std::string& name = version == 0 ? models_[model].name : version_names_[version - 1];
    if (((word(model / 64) >> (model % 64)) & 1) == 0 || std::ranges::find(named, name) != named.end()) continue;
    named.push_back(name);
    names += (names.empty() ? "" : ",") + name;
  }
  return names;
}

}  // namespace anabranch
