#include "engine/model_sets.h"

#include <algorithm>

namespace anabranch {

ModelSets::ModelSets(std::vector<ResultIdentity::Model> models)
    : models_(std::move(models)), words_((models_.size() + 63) / 64) {}

std::span<const uint32_t> ModelSets::Find(const RecordBatch& batch) {
  if (names_.size() > kMostSets) {
    sets_.clear();
    names_.clear();
  }
  masks_.assign(batch.rows() * words_, 0);
  for (size_t model = 0; model < models_.size(); ++model) {
    const Outcome* outcome = batch.stages[models_[model].stage].outcome.data();
    uint64_t* mask = masks_.data() + model / 64;
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      mask[row * words_] |= uint64_t{outcome[row] == Outcome::kOk} << (model % 64);
    }
  }
  rows_.resize(batch.rows());
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const uint64_t* mask = masks_.data() + row * words_;
    bool as_above = row > 0;
    for (size_t word = 0; as_above && word < words_; ++word) as_above = mask[word] == *(mask + word - words_);
    rows_[row] = as_above ? rows_[row - 1] : SetOf({reinterpret_cast<const char*>(mask), words_ * sizeof(uint64_t)});
  }
  return rows_;
}

uint32_t ModelSets::SetOf(std::string_view mask) {
  if (const auto found = sets_.find(mask); found != sets_.end()) return found->second;
  const auto set = static_cast<uint32_t>(names_.size());
  names_.push_back(NamesOf(mask));
  sets_.emplace(mask, set);
  return set;
}

std::string ModelSets::NamesOf(std::string_view mask) const {
  std::vector<std::string> named;
  std::string names;
  for (size_t model = 0; model < models_.size(); ++model) {
    uint64_t word;
    __builtin_memcpy(&word, mask.data() + model / 64 * sizeof word, sizeof word);
    const std::string& name = models_[model].name;
    if (((word >> (model % 64)) & 1) == 0 || std::ranges::find(named, name) != named.end()) continue;
    named.push_back(name);
    names += (names.empty() ? "" : ",") + name;
  }
  return names;
}

}  // namespace anabranch
