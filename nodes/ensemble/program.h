#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/node.h"

namespace anabranch {

enum class EnsembleMethod : uint8_t {
  kMean,
  kWeightedMean,
  kMedian,
  kMin,
  kMax,
  kMajorityVote,
  kWeightedVote,
  kSoftVote,
};

// Labels are compared, numbers are computed with.
inline bool IsVote(EnsembleMethod method) {
  return method == EnsembleMethod::kMajorityVote || method == EnsembleMethod::kWeightedVote;
}

enum class MissingPolicy : uint8_t {
  kFail,         // the record fails
  kRenormalise,  // the others decide alone
  kDefault,      // the member counts with a declared value
};

struct EnsembleMember {
  ColumnId id = 0;
  std::string name;
  double weight = 1;
};

// What an ensemble node does, compiled. Immutable.
struct EnsemblePlan {
  enum class Output : uint8_t { kValue, kMembersUsed, kMissing, kDisagreement };
  struct Made {
    Output output = Output::kValue;
    ColumnId id = 0;
    Type type;
  };
  EnsembleMethod method = EnsembleMethod::kMean;
  std::vector<EnsembleMember> members;  // in the order declared
  Type member_type;                     // votes and soft_vote: the one type of all
  MissingPolicy missing = MissingPolicy::kFail;
  double default_number = 0;    // kDefault: of numbers
  int64_t default_integer = 0;  // of integer and flag labels
  std::string default_text;     // of text labels
  std::vector<Made> made;

  bool Makes(Output output) const {
    for (const Made& column : made) {
      if (column.output == output) return true;
    }
    return false;
  }
};

std::shared_ptr<const NodeProgram> MakeEnsembleProgram(std::shared_ptr<const EnsemblePlan> plan);

}  // namespace anabranch
