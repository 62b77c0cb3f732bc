#include "topologies/language/paths.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace anabranch {

namespace {

namespace fs = std::filesystem;

// "s3://bucket/key", "file:///tmp/x".
bool IsUrl(std::string_view path) {
  const size_t colon = path.find("://");
  return colon != std::string_view::npos && colon > 0 &&
         std::all_of(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '.' || c == '-'; });
}

std::string CanonicalFolder(const fs::path& path) {
  std::error_code error;
  fs::path canonical = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) canonical = fs::absolute(path, error).lexically_normal();
  std::string text = canonical.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

bool Below(const std::string& path, const std::string& folder) {
  if (folder == "/") return true;
  return path.compare(0, folder.size(), folder) == 0 && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool BelowAny(const std::string& path, const std::vector<std::string>& folders) {
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& each) { return Below(path, each); });
}

}  // namespace

PathJudge::PathJudge(const std::string& topology_file, const std::vector<std::string>& allowed) {
  std::error_code error;
  folder_ = CanonicalFolder(fs::absolute(topology_file, error).parent_path());
  for (const std::string& folder : allowed) allowed_.push_back(CanonicalFolder(folder));
}

Result<std::string> PathJudge::Canonical(std::string_view path) const {
  if (path.empty()) return Status(Code::kInvalid, "the path is empty");
  if (path.find('\0') != std::string_view::npos) return Status(Code::kInvalid, "the path holds a NUL byte");
  if (IsUrl(path)) {
    return Status(Code::kInvalid, "\"" + std::string(path) + "\" is a URL; a path names a file of this machine");
  }
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(fs::path(folder_) / path, error);
  if (error)
    return Status(Code::kInvalid, "the path \"" + std::string(path) + "\" cannot be followed: " + error.message());
  return canonical.string();
}

Result<std::string> PathJudge::Resolve(std::string_view path) const {
  ASSIGN_OR_RETURN(const std::string canonical, Canonical(path));
  if (Below(canonical, folder_) || BelowAny(canonical, allowed_)) return canonical;
  return Status(Code::kInvalid, "the path \"" + std::string(path) + "\" leads to " + canonical +
                                    ", outside of the topology's folder " + folder_ +
                                    "; move the file, or allow its folder with --allow-path");
}

Result<std::string> PathJudge::ResolveSecret(std::string_view path) const {
  ASSIGN_OR_RETURN(const std::string canonical, Canonical(path));
  if (Below(canonical, "/run/secrets") || BelowAny(canonical, allowed_)) return canonical;
  return Status(Code::kInvalid,
                "secrets are read only below /run/secrets and folders named with --allow-path, not " + canonical);
}

}  // namespace anabranch
