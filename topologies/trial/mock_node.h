#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/node.h"

namespace anabranch {

// The columns of a mock's answer for one row: values by column; what is not named is null.
using MockOutputs = std::map<ColumnId, const ConfigValue*>;

// What a mocked node answers for one row.
struct MockAnswer {
  MockOutputs outputs;
  std::string code, message;  // not empty: the row fails so
  bool timeout = false;
};

// How a mock answers. Refers to the tree of its test case, which outlives it.
struct MockSpec {
  struct MockColumn {
    ColumnId id;
    Type type;
  };
  std::vector<MockColumn> makes;
  MockAnswer always;                            // where neither of the others decides
  std::optional<std::vector<MockAnswer>> rows;  // by offset of the record
  std::optional<MockColumn> by;                 // a column of text, whole numbers or true and false
  std::map<std::string, MockOutputs> values;    // by its value
};

// A node that answers as `spec` says and runs no other code. For the rest it is `origin`.
std::shared_ptr<const NodeProgram> MakeMockNode(MockSpec spec, std::shared_ptr<const NodeProgram> origin);

// A node that lets no row pass.
std::shared_ptr<const NodeProgram> MakeIdleNode();

}  // namespace anabranch
