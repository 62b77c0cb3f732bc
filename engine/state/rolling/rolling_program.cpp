#include "engine/state/rolling/rolling_program.h"

#include <algorithm>
#include <string>
#include <utility>

namespace anabranch {
namespace {

constexpr int64_t kMostRowsOfList = 1024;  // of kLag and kValues: each cell bears them

bool ReadsColumn(RollingFunction function) {
  return function != RollingFunction::kCountRows && function != RollingFunction::kSinceLast;
}

// Functions of the order of arrival cover the whole life by nature.
bool IsByArrival(RollingFunction function) {
  return function == RollingFunction::kLag || function == RollingFunction::kValues ||
         function == RollingFunction::kSinceLast || function == RollingFunction::kEwma;
}

bool GivesColumnType(RollingFunction function) {
  switch (function) {
    case RollingFunction::kSum:
    case RollingFunction::kMin:
    case RollingFunction::kMax:
    case RollingFunction::kFirst:
    case RollingFunction::kLast:
    case RollingFunction::kLag:
    case RollingFunction::kValues: return true;
    default: return false;
  }
}

size_t WordsOfList(int64_t rows) { return static_cast<size_t>(rows + (rows + 63) / 64); }

// Words that a feature over the whole life keeps; rolling_scalars.cpp has their meaning.
size_t WordsOf(const RollingFeature& feature) {
  switch (feature.function) {
    case RollingFunction::kCountRows:
    case RollingFunction::kDistinct: return 0;
    case RollingFunction::kCount:
    case RollingFunction::kSinceLast: return 1;
    case RollingFunction::kMin:
    case RollingFunction::kMax: return 2;
    case RollingFunction::kLag: return WordsOfList(feature.rows);
    case RollingFunction::kValues: return 1 + static_cast<size_t>(feature.rows);
    default: return 3;
  }
}

}  // namespace

std::string_view NameOf(RollingFunction function) {
  static constexpr std::string_view kNames[] = {"count of rows", "count",   "sum",    "mean",       "min",   "max",
                                                "var",           "var_pop", "stddev", "stddev_pop", "first", "last",
                                                "distinct",      "lag",     "values", "since_last", "ewma"};
  return kNames[static_cast<size_t>(function)];
}

Result<RollingProgram> RollingProgram::Make(std::vector<RollingType> columns, std::vector<RollingFeature> features,
                                            uint32_t max_rows) {
  if (columns.size() > kMostColumns) {
    return Status(Code::kInvalid, std::to_string(columns.size()) + " columns; one key remembers at most " +
                                      std::to_string(kMostColumns) + ": make two nodes of it");
  }
  if (max_rows < 1 || max_rows > kMostRows) {
    return Status(Code::kInvalid,
                  "max_rows is " + std::to_string(max_rows) + "; it must be 1 to " + std::to_string(kMostRows));
  }
  RollingProgram program;
  program.columns_ = std::move(columns);
  program.features_ = std::move(features);
  program.max_rows_ = max_rows;
  for (size_t i = 0; i < program.features_.size(); ++i) {
    RETURN_IF_ERROR(program.Check(i));
    const auto output = static_cast<uint32_t>(program.width_);
    const RollingFeature& feature = program.features_[i];
    if (feature.over_us > 0) {
      program.AddWindowed(i, output);
    } else {
      program.AddLife(i, output);
    }
    program.width_ += feature.function == RollingFunction::kValues ? static_cast<size_t>(feature.rows) : 1;
  }
  program.PlaceColumns();
  return program;
}

Status RollingProgram::Check(size_t index) const {
  const RollingFeature& feature = features_[index];
  const auto fault = [&](const std::string& text) {
    return Status(Code::kInvalid,
                  "feature " + std::to_string(index) + " (" + std::string(NameOf(feature.function)) + "): " + text);
  };
  const RollingFunction function = feature.function;
  if (ReadsColumn(function)) {
    if (feature.column >= columns_.size()) {
      return fault("there is no column " + std::to_string(feature.column) + " of " + std::to_string(columns_.size()));
    }
    const bool takes_hash = function == RollingFunction::kCount || function == RollingFunction::kDistinct;
    if (columns_[feature.column] == RollingType::kHash && !takes_hash) {
      return fault("needs numbers; texts fit count and distinct");
    }
  }
  if (feature.over_us < 0 || feature.tile_us < 0) return fault("lengths of time must not be negative");
  if (feature.over_us > 0 && IsByArrival(function)) return fault("goes by arrival and has no `over`: remove it");
  if (feature.over_us == 0 && feature.tile_us > 0) return fault("`tile` rounds the bound of `over`: add `over`");
  if (feature.tile_us > 0 && feature.over_us % feature.tile_us != 0)
    return fault("`over` must be a multiple of `tile`");
  if (feature.over_us > INT64_MAX / 4) return fault("`over` is longer than 70,000 years");
  if (function == RollingFunction::kDistinct && (feature.over_us == 0 || feature.max < 1)) {
    return fault("needs `over`, and a max of at least 1");
  }
  const bool has_list = function == RollingFunction::kLag || function == RollingFunction::kValues;
  if (has_list && (feature.rows < 1 || feature.rows > kMostRowsOfList)) {
    return fault("rows is " + std::to_string(feature.rows) + "; it must be 1 to " + std::to_string(kMostRowsOfList));
  }
  if (function == RollingFunction::kEwma && !(feature.half_life_us > 0)) return fault("needs a half life above 0");
  return Status::Ok();
}

RollingType RollingProgram::TypeOf(size_t index) const {
  const RollingFeature& feature = features_[index];
  if (GivesColumnType(feature.function)) return columns_[feature.column];
  switch (feature.function) {
    case RollingFunction::kCountRows:
    case RollingFunction::kCount:
    case RollingFunction::kDistinct:
    case RollingFunction::kSinceLast: return RollingType::kInt64;
    default: return RollingType::kFloat64;
  }
}

void RollingProgram::AddWindowed(size_t index, uint32_t output) {
  const RollingFeature& feature = features_[index];
  reach_us_ = std::max(reach_us_, feature.over_us + feature.tile_us);
  auto window = std::find_if(windows_.begin(), windows_.end(), [&](const Window& w) {
    return w.over_us == feature.over_us && w.tile_us == feature.tile_us && w.current == feature.current;
  });
  if (window == windows_.end()) {
    window =
        windows_.insert(window, {.over_us = feature.over_us, .tile_us = feature.tile_us, .current = feature.current});
  }
  const bool rows_only = feature.function == RollingFunction::kCountRows;
  auto job = std::find_if(window->jobs.begin(), window->jobs.end(), [&](const Job& j) {
    return rows_only ? j.counts_rows : !j.counts_rows && j.column == feature.column;
  });
  if (job == window->jobs.end()) {
    job = window->jobs.insert(job, Job{.column = rows_only ? 0 : feature.column, .counts_rows = rows_only});
    if (!rows_only) job->type = columns_[feature.column];
  }
  job->answers.push_back({feature.function, static_cast<uint32_t>(index), output, feature.max});
  switch (feature.function) {
    case RollingFunction::kCountRows: break;
    case RollingFunction::kCount: job->needs |= kNeedCount; break;
    case RollingFunction::kSum:
    case RollingFunction::kMean: job->needs |= kNeedCount | kNeedSum; break;
    case RollingFunction::kMin:
    case RollingFunction::kMax: job->needs |= kNeedCount | kNeedRange; break;
    case RollingFunction::kDistinct: job->needs |= kNeedSet; break;
    case RollingFunction::kFirst:
    case RollingFunction::kLast: job->needs |= kNeedEnds; break;
    default: job->needs |= kNeedCount | kNeedSum | kNeedSquares; break;
  }
}

void RollingProgram::AddLife(size_t index, uint32_t output) {
  const RollingFeature& feature = features_[index];
  // The first word counts the rows of the key.
  if (scalar_words_ == 0) scalar_words_ = 1;
  const RollingType type = ReadsColumn(feature.function) ? columns_[feature.column] : RollingType::kInt64;
  lives_.push_back({feature, type, static_cast<uint32_t>(index), output, static_cast<uint32_t>(scalar_words_)});
  scalar_words_ += WordsOf(feature);
}

// A column has values in a row if some window reads them, and partials if some window sums or compares them.
void RollingProgram::PlaceColumns() {
  std::vector<uint8_t> needs(columns_.size(), 0);
  for (const Window& window : windows_) {
    for (const Job& job : window.jobs) {
      if (!job.counts_rows) needs[job.column] |= job.needs;
    }
  }
  std::vector<size_t> place(columns_.size(), kNone);
  for (size_t column = 0; column < columns_.size(); ++column) {
    if ((needs[column] & ~kNeedCount) == 0) continue;
    place[column] = stored_.size();
    stored_.push_back(column);
    partial_of_.push_back(kNone);
    if ((needs[column] & (kNeedSum | kNeedRange)) == 0) continue;
    partial_of_.back() = partials_.size();
    partials_.push_back(columns_[column]);
  }
  for (Window& window : windows_) {
    for (Job& job : window.jobs) {
      if (job.counts_rows || place[job.column] == kNone) continue;
      job.stored = place[job.column];
      job.partial = partial_of_[job.stored];
    }
  }
}

}  // namespace anabranch
