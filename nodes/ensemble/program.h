#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/node.h"

namespace anabranch {

// In the order of the words in the spec.
enum class EnsembleMethod : uint8_t {
  kMean,
  kWeightedMean,
  kMedian,
  kMin,
  kMax,
  kGeometricMean,
  kFirst,
  kSelect,
  kMajorityVote,
  kWeightedVote,
  kSoftVote,
};

// Votes compare labels; the other methods compute with numbers.
inline bool IsVote(EnsembleMethod method) {
  return method == EnsembleMethod::kMajorityVote || method == EnsembleMethod::kWeightedVote;
}
// One member gives the value.
inline bool IsChoice(EnsembleMethod method) {
  return method == EnsembleMethod::kFirst || method == EnsembleMethod::kSelect;
}

// Why a member has no value of its own. The first causes are those of Mark, with the same numbers.
enum class Cause : uint8_t { kPresent, kSkipped, kDefaulted, kError, kTimeout, kNull, kNan };
inline constexpr std::array<const char*, 7> kCauseNames = {"",        "skipped", "defaulted", "error",
                                                           "timeout", "null",    "nan"};

enum class MissingPolicy : uint8_t {
  kFail,         // the record fails
  kRenormalise,  // the result is computed from the others
  kDefault,      // the member counts with a declared value
};

enum class TieRule : uint8_t {
  kFirst,   // the label of the member declared first; of vectors the lowest index
  kLowest,  // the smallest label; of vectors the lowest index
  kFail,    // the record fails
};

struct EnsembleMember {
  ColumnId id;
  std::string name;
  double weight = 1;
  std::optional<ColumnId> weight_column;            // the weight of each record instead
  std::shared_ptr<const Expression> when;           // select: when the member is considered; null = always
  std::vector<uint32_t> order;                      // soft_vote: the place of each class's value; empty = in order
  std::array<std::string, kCauseNames.size()> why;  // "p_nn:error", by Cause
};

// How often members may be missing without a report. A member that `when` skipped is not counted.
struct MissingMax {
  double share = 0.05;
  uint32_t rows = 1000;
  bool stops = false;  // true: the stage stops; false: the log warns
};

// What an ensemble node does, compiled. Immutable.
struct EnsemblePlan {
  enum class Output : uint8_t {
    kValue,
    kProbabilities,
    kConfidence,
    kMargin,
    kIndex,
    kMembersUsed,
    kMissing,
    kMissingWhy,
    kDisagreement,
  };
  struct Made {
    Output output = Output::kValue;
    ColumnId id;
    Type type;
  };
  EnsembleMethod method = EnsembleMethod::kMean;
  std::vector<EnsembleMember> members;  // in the order declared
  Type member_type;                     // votes, choices and soft_vote: the one type of all
  MissingPolicy missing = MissingPolicy::kFail;
  double default_number = 0;    // kDefault: of numbers
  int64_t default_integer = 0;  // of integer and flag labels
  std::string default_text;     // of text labels
  uint32_t quorum = 0;          // members that must be present
  double quorum_share = 0;      // share of the weight that must be present
  TieRule tie = TieRule::kFirst;
  bool log_pool = false;             // soft_vote
  std::vector<std::string> classes;  // soft_vote: the names of the values, where they are known
  MissingMax missing_max;
  std::vector<Made> made;

  bool Makes(Output output) const {
    for (const Made& column : made) {
      if (column.output == output) return true;
    }
    return false;
  }
};

// Checks an ensemble node against its columns. Null when there was a fault.
std::shared_ptr<const EnsemblePlan> BindEnsemble(BindContext& context);

std::shared_ptr<const NodeProgram> MakeEnsembleProgram(std::shared_ptr<const EnsemblePlan> plan);

// The words used in the file, in the order of their enums.
extern const std::vector<std::string> kEnsembleMethods;
extern const std::vector<std::string> kEnsembleOutputs;

}  // namespace anabranch
