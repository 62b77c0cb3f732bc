#include "topologies/operate/page.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "topologies/operate/api.h"
#include "topologies/operate/ui_assets.h"

namespace anabranch {
namespace {

// The path was judged by the server: it has no "..".
std::optional<std::string> ReadFileOf(const std::string& folder, const std::string& path) {
  const std::filesystem::path file = std::filesystem::path(folder) / path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

}  // namespace

HttpResponse PageFile(const HttpRequest& request, const std::string& folder) {
  HttpResponse nothing = ErrorResponse(404, "not_found", "there is nothing under this path", "");
  const std::string prefix = "/ui/";
  if (request.path != "/" && !request.path.starts_with(prefix)) return nothing;
  const std::string path = request.path == "/" ? "index.html" : request.path.substr(prefix.size());
  HttpResponse answer{.content_type = ContentTypeOf(path)};
  answer.headers = {{"Content-Security-Policy", kUiContentSecurityPolicy}};
  if (!folder.empty()) {
    std::optional<std::string> bytes = ReadFileOf(folder, path);
    if (!bytes) return nothing;
    answer.body = std::move(*bytes);
    return answer;
  }
  const UiAsset* const asset = FindUiAsset(path);
  if (asset == nullptr) return nothing;
  answer.headers.emplace_back("ETag", asset->etag);
  answer.headers.emplace_back("Cache-Control", "no-cache");
  if (request.header("if-none-match") == asset->etag) {
    answer.code = 304;
  } else {
    answer.body = asset->bytes;
  }
  return answer;
}

}  // namespace anabranch
