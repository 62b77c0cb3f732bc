#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/load/records.h"

namespace anabranch::bench {

// Whether a result is the one that its record must have. One thread.
class Judge {
 public:
  virtual ~Judge() = default;
  // Empty when the value is right, else what is wrong with it.
  virtual std::string Fault(int64_t record, std::string_view value) = 0;
};

// relay: the record's bytes. tabular: {"id", "score"}. ffnn: {"prediction": […]}. ffnn_echo: the record's fields with
// the prediction as a list. A number may be off by 1e-5, relative or absolute. Line k of `scores` (numbers,
// blank-separated) belongs to line k of `records`; relay needs none and takes "". Null when the workload is unknown.
// `records` must outlive the judge.
std::unique_ptr<Judge> MakeJudge(const std::string& workload, const Lines& records, const std::string& scores_path);

}  // namespace anabranch::bench
