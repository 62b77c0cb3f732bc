#include <algorithm>
#include <cstring>

#include "engine/codec/decoder.h"

namespace anabranch {
namespace {

// The quoted cell whose opening quote is at `at`; false when it is never closed or text follows its closing quote.
bool QuotedCell(std::string_view row, char delimiter, size_t* at, char** unescaped, std::string_view* cell) {
  const size_t begin = *at + 1;
  size_t close = row.find('"', begin);
  if (close == std::string_view::npos) return false;
  if (close + 1 == row.size() || row[close + 1] != '"') {
    *cell = row.substr(begin, close - begin);
  } else {
    char* const first = *unescaped;
    size_t from = begin;
    while (close + 1 < row.size() && row[close + 1] == '"') {
      std::memcpy(*unescaped, row.data() + from, close + 1 - from);
      *unescaped += close + 1 - from;
      from = close + 2;
      close = row.find('"', from);
      if (close == std::string_view::npos) return false;
    }
    std::memcpy(*unescaped, row.data() + from, close - from);
    *unescaped += close - from;
    *cell = {first, static_cast<size_t>(*unescaped - first)};
  }
  *at = close + 1;
  return *at == row.size() || row[*at] == delimiter;
}

}  // namespace

bool SplitCsvRow(std::string_view row, char delimiter, std::vector<std::string_view>* cells, std::string* scratch) {
  cells->clear();
  scratch->resize(row.size());  // no cell grows, so that views into it hold
  char* unescaped = scratch->data();
  size_t at = 0;
  while (true) {
    std::string_view cell;
    if (at < row.size() && row[at] == '"') {
      if (!QuotedCell(row, delimiter, &at, &unescaped, &cell)) return false;
    } else {
      const size_t end = std::min(row.find(delimiter, at), row.size());
      cell = row.substr(at, end - at);
      if (cell.find('"') != std::string_view::npos) return false;
      at = end;
    }
    cells->push_back(cell);
    if (at == row.size()) return true;
    ++at;
  }
}

}  // namespace anabranch
