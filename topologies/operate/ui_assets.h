#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// A file of topologies/ui, which is built into the program.
struct UiAsset {
  std::string_view path;  // "index.html", "vendor/preact.mjs"
  std::string_view bytes;
  const char* content_type = "";
  std::string etag;  // quoted hash of the bytes: the same file has the same one in every build
};

// Null: there is none. "index.html" is the page; it names the others as "ui/PATH".
const UiAsset* FindUiAsset(std::string_view path);
const std::vector<UiAsset>& UiAssets();  // in order of their paths

// The type by the ending of a path, also for files that are served from a folder. Unknown endings: octet-stream.
const char* ContentTypeOf(std::string_view path);

// Content-Security-Policy of the page: scripts, styles and data from this server, and nothing else.
extern const char* const kUiContentSecurityPolicy;

}  // namespace anabranch
