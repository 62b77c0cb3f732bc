#include <re2/re2.h>

#include <algorithm>
#include <cstring>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"
#include "engine/text/utf8.h"

namespace anabranch::expression {
namespace {

// Byte offset of code point `index`, or the size when there are fewer.
size_t OffsetOf(std::string_view text, int64_t index) {
  size_t at = 0;
  while (at < text.size() && index > 0) {
    ++at;
    while (at < text.size() && IsContinuation(text[at])) ++at;
    --index;
  }
  return at;
}

std::string_view Substr(std::string_view text, int64_t start, int64_t count) {
  if (start < 0) start = std::max<int64_t>(0, CodePoints(text) + start);
  if (count <= 0) return {};
  text.remove_prefix(OffsetOf(text, start));
  return text.substr(0, OffsetOf(text, count));
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

template <typename Op>
void MapText(const Call& call, Op op) {
  const std::string_view* in = In<std::string_view>(call, 0);
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) { out[row] = op(in[row]); });
}

template <typename Op>
void MapBytes(const Call& call, Op op) {
  MapText(call, [&](std::string_view text) -> std::string_view {
    if (text.empty()) return {};
    char* made = call.text.Allocate(text.size());
    std::transform(text.begin(), text.end(), made, op);
    return {made, text.size()};
  });
}

template <typename Op>
void TestTexts(const Call& call, Op op) {
  const std::string_view* a = In<std::string_view>(call, 0);
  const std::string_view* b = In<std::string_view>(call, 1);
  uint8_t* out = Out<uint8_t>(call);
  ForValid(call, [&](uint32_t row) { out[row] = op(a[row], b[row]); });
}

void ReplaceAll(std::string_view text, std::string_view from, std::string_view to, std::string* out) {
  out->clear();
  while (true) {
    const size_t at = from.empty() ? std::string_view::npos : text.find(from);
    out->append(text.substr(0, at));
    if (at == std::string_view::npos) return;
    out->append(to);
    text.remove_prefix(at + from.size());
  }
}

struct Pattern : KernelData {
  explicit Pattern(std::string_view text, const RE2::Options& options)
      : regex(re2::StringPiece(text.data(), text.size()), options) {}
  RE2 regex;
};

}  // namespace

void ConcatKernel(const Call& call) {
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    size_t size = 0;
    for (size_t i = 0; i < call.arg_count; ++i) size += In<std::string_view>(call, i)[row].size();
    if (size == 0) {
      out[row] = {};
      return;
    }
    char* made = call.text.Allocate(size);
    out[row] = {made, size};
    for (size_t i = 0; i < call.arg_count; ++i) {
      const std::string_view part = In<std::string_view>(call, i)[row];
      if (!part.empty()) std::memcpy(made, part.data(), part.size());
      made += part.size();
    }
  });
}

void LowerKernel(const Call& call) {
  MapBytes(call, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}
void UpperKernel(const Call& call) {
  MapBytes(call, [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
}
void TrimKernel(const Call& call) { MapText(call, Trim); }

void LengthKernel(const Call& call) {
  const std::string_view* in = In<std::string_view>(call, 0);
  int64_t* out = Out<int64_t>(call);
  ForValid(call, [&](uint32_t row) { out[row] = CodePoints(in[row]); });
}

void SubstrKernel(const Call& call) {
  const std::string_view* in = In<std::string_view>(call, 0);
  const int64_t* start = In<int64_t>(call, 1);
  const int64_t* count = call.arg_count > 2 ? In<int64_t>(call, 2) : nullptr;
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) { out[row] = Substr(in[row], start[row], count ? count[row] : INT64_MAX); });
}

void StartsWithKernel(const Call& call) {
  TestTexts(call, [](std::string_view a, std::string_view b) { return a.starts_with(b); });
}
void EndsWithKernel(const Call& call) {
  TestTexts(call, [](std::string_view a, std::string_view b) { return a.ends_with(b); });
}
void ContainsKernel(const Call& call) {
  TestTexts(call, [](std::string_view a, std::string_view b) { return a.find(b) != std::string_view::npos; });
}

void ReplaceKernel(const Call& call) {
  const std::string_view* in = In<std::string_view>(call, 0);
  const std::string_view* from = In<std::string_view>(call, 1);
  const std::string_view* to = In<std::string_view>(call, 2);
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    ReplaceAll(in[row], from[row], to[row], &call.buffer);
    out[row] = call.text.Copy(call.buffer);
  });
}

void MatchesKernel(const Call& call) {
  const RE2& regex = static_cast<const Pattern*>(call.data)->regex;
  const std::string_view* in = In<std::string_view>(call, 0);
  uint8_t* out = Out<uint8_t>(call);
  ForValid(call, [&](uint32_t row) {
    out[row] = RE2::PartialMatch(re2::StringPiece(in[row].data(), in[row].size()), regex);
  });
}

std::shared_ptr<const KernelData> CompilePattern(std::string_view pattern, std::string* error) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<Pattern>(pattern, options);
  if (compiled->regex.ok()) return compiled;
  *error = compiled->regex.error();
  return nullptr;
}

}  // namespace anabranch::expression
