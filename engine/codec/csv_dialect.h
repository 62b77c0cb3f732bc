#pragma once

#include <string>
#include <vector>

namespace anabranch {

// How rows of CSV are written: RFC 4180, but for what is said here.
struct CsvDialect {
  std::vector<std::string> header;  // the column names, in the order of the cells
  char delimiter = ',';
  std::vector<std::string> nulls;  // cells that mean null, quoted or not; the empty cell always does
};

}  // namespace anabranch
