#include "engine/models/package_type.h"

#include <charconv>

namespace anabranch {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 24;

std::optional<Kind> ScalarKind(std::string_view text) {
  for (const Kind kind : {Kind::kBool, Kind::kInt64, Kind::kFloat32, Kind::kFloat64, Kind::kString, Kind::kTimestamp}) {
    if (text == Type::Scalar(kind).ToString()) return kind;
  }
  return std::nullopt;
}

// "[8,8]"
std::optional<std::vector<int64_t>> ParseShape(std::string_view text) {
  std::vector<int64_t> shape;
  int64_t elements = 1;
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return std::nullopt;
  const char* at = text.data() + 1;
  const char* end = text.data() + text.size() - 1;
  while (at < end) {
    int64_t dimension = 0;
    const auto [next, error] = std::from_chars(at, end, dimension);
    if (error != std::errc() || dimension < 1 || dimension > kMostElements) return std::nullopt;
    if (next != end && (*next != ',' || next + 1 == end)) return std::nullopt;
    shape.push_back(dimension);
    elements *= dimension;
    if (elements > kMostElements) return std::nullopt;
    at = next == end ? end : next + 1;
  }
  return shape;
}

}  // namespace

std::optional<Type> ParseTypeText(std::string_view text) {
  if (const auto kind = ScalarKind(text)) return Type::Scalar(*kind);
  const size_t open = text.find('<');
  const size_t close = text.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  const auto element = ScalarKind(text.substr(open + 1, close - open - 1));
  const std::string_view rest = text.substr(close + 1);
  if (!element) return std::nullopt;
  if (text.substr(0, open) == "list" && rest.empty()) return Type::List(*element);
  const auto shape = ParseShape(rest);
  if (text.substr(0, open) != "tensor" || !shape) return std::nullopt;
  return Type::Tensor(*element, *shape);
}

}  // namespace anabranch
