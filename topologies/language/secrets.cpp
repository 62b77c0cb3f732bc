#include "topologies/language/secrets.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace anabranch {

namespace {

// The end of the string that begins at the quote `at`: the place of its closing quote, or the end of the line.
size_t EndOfText(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
  }
  return std::min(at, text.size());
}

size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) ++at;
  return at;
}

void AddPlace(std::string_view text, size_t begin, size_t end, std::vector<Place>* places) {
  const std::string_view value = text.substr(begin, end - begin);
  const bool refers = value.find("${") != std::string_view::npos && value.find(":-") == std::string_view::npos;
  if (refers || value.empty()) return;
  Place place;
  place.begin = static_cast<uint32_t>(begin);
  place.end = static_cast<uint32_t>(end);
  places->push_back(place);
}

void AddMarked(const ConfigValue& value, std::string_view text, std::vector<Place>* places) {
  if (value.secret && value.place.end > value.place.begin && value.place.end <= text.size()) {
    const bool quoted = text[value.place.begin] == '"' && value.place.end - value.place.begin >= 2;
    AddPlace(text, value.place.begin + (quoted ? 1 : 0), value.place.end - (quoted ? 1 : 0), places);
  }
  for (const ConfigValue& child : value.children) AddMarked(child, text, places);
}

// "name": "value" with a name that tells.
void AddNamed(std::string_view text, std::vector<Place>* places) {
  for (size_t at = text.find('"'); at != std::string_view::npos; at = text.find('"', at)) {
    const size_t end = EndOfText(text, at);
    const std::string_view name = text.substr(at + 1, end - at - 1);
    at = std::min(end + 1, text.size());
    size_t value = SkipBlanks(text, at);
    if (value >= text.size() || text[value] != ':' || !NamesSecret(name)) continue;
    value = SkipBlanks(text, value + 1);
    if (value >= text.size() || text[value] != '"') continue;
    const size_t value_end = EndOfText(text, value);
    AddPlace(text, value + 1, value_end, places);
    at = std::min(value_end + 1, text.size());
  }
}

}  // namespace

bool NamesSecret(std::string_view key) {
  std::string name(key);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kParts[] = {"passw", "pasw", "passphrase", "secret", "credential", "api_key", "apikey"};
  constexpr std::string_view kEnds[] = {"token", "pem", "pwd", "oauthbearer.config"};
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](std::string_view part) { return name.find(part) != std::string::npos; }) ||
         std::any_of(std::begin(kEnds), std::end(kEnds), [&](std::string_view end) { return name.ends_with(end); });
}

std::vector<Place> SecretPlaces(const Topology* topology, std::string_view text) {
  std::vector<Place> places;
  if (topology != nullptr) AddMarked(topology->root, text, &places);
  AddNamed(text, &places);
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
  return places;
}

}  // namespace anabranch
