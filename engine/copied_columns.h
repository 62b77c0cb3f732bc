#pragma once

#include <utility>
#include <vector>

#include "engine/ids.h"

namespace anabranch {

// Of a program (engine/node.h) that makes columns which tell another one's values again, under another name or as
// another type. Viewers hide them with the column that they are made of.
class CopiedColumns {
 public:
  virtual ~CopiedColumns() = default;
  virtual std::vector<std::pair<ColumnId, ColumnId>> Copies() const = 0;  // what is made, of what
};

}  // namespace anabranch
