#include "topologies/commands/github_text.h"

#include "engine/printable.h"

namespace anabranch {
namespace {

// Workflow commands need these characters as %XX; a property's value also its separators.
std::string GithubText(const std::string& text, bool property) {
  static const char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (char c : text) {
    if (c == '%' || c == '\x7f' || static_cast<unsigned char>(c) < 0x20 || (property && (c == ':' || c == ','))) {
      escaped += {'%', kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

std::string GithubLine(const std::string& level, const std::string& file, const Place& place, const std::string& title,
                       const std::string& message) {
  return "::" + level + " file=" + GithubText(file, true) + ",line=" + std::to_string(place.line) +
         ",col=" + std::to_string(place.column) + ",title=" + GithubText(Printable(title), true) +
         "::" + GithubText(Printable(message), false) + "\n";
}

}  // namespace anabranch
