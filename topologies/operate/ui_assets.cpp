#include "topologies/operate/ui_assets.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace anabranch {

// A line of the table in the assembly that topologies/CMakeLists.txt makes.
struct EmbeddedFile {
  const char* path;
  const char* begin;
  const char* end;
};
extern "C" const EmbeddedFile anabranch_ui_files[];
extern "C" const EmbeddedFile anabranch_ui_files_end[];

namespace {

std::string EtagOf(std::string_view bytes) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "\"%016llx\"",
                static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text.data();
}

}  // namespace

const char* const kUiContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const char* ContentTypeOf(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 6> types = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
  }};
  for (const auto& [ending, type] : types) {
    if (path.ends_with(ending)) return type;
  }
  return path.find("LICENSE") != std::string_view::npos ? "text/plain; charset=utf-8" : "application/octet-stream";
}

const std::vector<UiAsset>& UiAssets() {
  static const std::vector<UiAsset> assets = [] {
    std::vector<UiAsset> made;
    for (const EmbeddedFile* file = anabranch_ui_files; file != anabranch_ui_files_end; ++file) {
      const std::string_view bytes(file->begin, static_cast<size_t>(file->end - file->begin));
      made.push_back({file->path, bytes, ContentTypeOf(file->path), EtagOf(bytes)});
    }
    std::sort(made.begin(), made.end(), [](const UiAsset& a, const UiAsset& b) { return a.path < b.path; });
    return made;
  }();
  return assets;
}

const UiAsset* FindUiAsset(std::string_view path) {
  const std::vector<UiAsset>& assets = UiAssets();
  const auto found =
      std::lower_bound(assets.begin(), assets.end(), path,
                       [](const UiAsset& asset, std::string_view wanted) { return asset.path < wanted; });
  return found != assets.end() && found->path == path ? &*found : nullptr;
}

}  // namespace anabranch
