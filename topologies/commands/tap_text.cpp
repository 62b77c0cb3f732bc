#include "topologies/commands/tap_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/printable.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

using TapJson = nlohmann::ordered_json;

constexpr size_t kShownTapValue = 200;

std::string CompactText(const TapJson& value) { return value.dump(-1, ' ', false, TapJson::error_handler_t::replace); }

// A text as it is, anything else as JSON.
std::string PlainText(const TapJson& value) {
  return value.is_string() ? value.get<std::string>() : CompactText(value);
}

std::string Dim(const std::string& text, bool colour) { return colour ? "\x1b[2m" + text + "\x1b[0m" : text; }

std::string Grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string ValuesText(const TapJson& values, const char* sign, size_t width) {
  std::string text;
  for (const auto& [name, value] : values.items()) {
    text += std::string("  ") + sign + " " + Printable(name) + std::string(width - std::min(width, name.size()), ' ') +
            "  " + Printable(CompactText(value), kShownTapValue) + "\n";
  }
  return text;
}

size_t WidthOf(const TapJson& row) {
  size_t width = 0;
  for (const char* part : {"before", "after"}) {
    for (const auto& [name, value] : row[part].items()) width = std::max(width, name.size());
  }
  return std::min<size_t>(width, 32);
}

}  // namespace

std::string TapRowText(const TapJson& row, bool colour) {
  const std::string outcome = row["outcome"];
  std::string text = row["node"].get<std::string>() + "  " + Printable(row["topic"].get<std::string>()) + "/" +
                     row["partition"].dump() + "/" + row["offset"].dump() + "  key " +
                     (row["key"].is_null() ? "(none)" : Printable(PlainText(row["key"]), kShownTapValue));
  if (row["timestamp"].is_number()) text += "  " + FormatInstant(row["timestamp"].get<int64_t>());
  text += outcome == "ok" ? "\n" : "  " + outcome + "\n";
  for (const TapJson& header : row["headers"]) {
    text +=
        Dim("  " + Printable(PlainText(header[0])) + ": " + Printable(PlainText(header[1]), kShownTapValue), colour);
    text += "\n";
  }
  const size_t width = WidthOf(row);
  text += ValuesText(row["before"], " ", width) + ValuesText(row["after"], "+", width);
  for (const TapJson& error : row["errors"]) {
    text += "  failed in " + PlainText(error["node"]) + ", " + PlainText(error["code"]) + ": " +
            Printable(PlainText(error["message"]), kShownTapValue) + "\n";
  }
  return text;
}

std::string TapRowKcat(const TapJson& row) {
  TapJson out;
  for (const char* name : {"topic", "partition", "offset"}) out[name] = row[name];
  if (row["timestamp"].is_number()) out["tstype"] = "create", out["ts"] = row["timestamp"];
  TapJson headers = TapJson::array();
  for (const TapJson& header : row["headers"]) {
    headers.push_back(header[0]);
    headers.push_back(header[1]);
  }
  if (!headers.empty()) out["headers"] = headers;
  out["key"] = row["key"].is_null() ? TapJson() : TapJson(PlainText(row["key"]));
  out["payload"] = CompactText(row["after"].empty() ? row["before"] : row["after"]);
  out["node"] = row["node"];
  out["outcome"] = row["outcome"];
  return CompactText(out) + "\n";
}

std::string TapSummary(int64_t shown, int64_t seen, int64_t dropped) {
  return Grouped(shown) + " of " + Grouped(seen) + " seen, " + Grouped(dropped) + " dropped";
}

}  // namespace anabranch
