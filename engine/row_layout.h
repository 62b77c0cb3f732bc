#pragma once

#include <string>
#include <vector>

namespace anabranch {

// How the rows of a text with a header row are written, as the connector that reads them knows it. Formats without a
// header row ignore it.
struct RowLayout {
  std::vector<std::string> header;  // the column names, in the order of the cells
  char delimiter = ',';
  std::vector<std::string> nulls;  // cells that mean null, quoted or not; the empty cell always does
};

}  // namespace anabranch
