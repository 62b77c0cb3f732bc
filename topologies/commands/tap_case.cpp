#include "topologies/commands/tap_case.h"

#include <algorithm>

namespace anabranch {
namespace {

using CaseJson = TapCase::Json;

void AddNames(const CaseJson& names, std::vector<std::string>* all) {
  for (const CaseJson& name : names) {
    if (std::ranges::find(*all, name.get<std::string>()) == all->end()) all->push_back(name.get<std::string>());
  }
}

// JSON without the white space between its tokens.
std::string Squeezed(const std::string& text) {
  std::string squeezed;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) continue;
    squeezed += c;
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && i + 1 < text.size()) squeezed += text[++i];
  }
  return squeezed;
}

// As a value where that gives the same bytes but for white space, else as the text or the bytes themselves.
void GiveValue(const CaseJson& record, CaseJson* given) {
  if (record.is_object()) {
    (*given)["base64"] = record.at("base64");
    return;
  }
  const std::string text = record;
  CaseJson value = CaseJson::parse(text, nullptr, false);
  const bool same = value.is_object() && value.dump() == Squeezed(text);
  if (same) {
    (*given)["value"] = std::move(value);
  } else {
    (*given)["text"] = text;
  }
}

CaseJson GivenOf(const CaseJson& row, bool hides_key) {
  CaseJson given;
  if (row["record_key"].is_string() && !hides_key) given["key"] = row["record_key"];
  GiveValue(row["record"], &given);
  CaseJson headers = CaseJson::object();
  for (const CaseJson& header : row["headers"]) {
    const bool plain = header[0].is_string() && (header[1].is_string() || header[1].is_null());
    if (plain) headers[header[0].get<std::string>()] = header[1];
  }
  if (!headers.empty()) given["headers"] = headers;
  if (row["timestamp"].is_number()) given["timestamp"] = row["timestamp"];
  return given;
}

}  // namespace

void TapCase::Add(const Json& answer) {
  AddNames(answer["masked"], &masked_);
  AddNames(answer["sinks"], &sinks_);
  for (const Json& row : answer["rows"]) {
    AddNames(Json::array({row["node"]}), &tapped_);
    const std::string place = Json::array({row["topic"], row["partition"], row["offset"]}).dump();
    const auto [known, first] = places_.emplace(place, records_.size());
    if (first) records_.push_back(Seen{row, {}});
    records_[known->second].rows.push_back(row);
  }
}

bool TapCase::IsSink(const std::string& node) const { return std::ranges::find(sinks_, node) != sinks_.end(); }

// Whether each tapped node that let the record pass is among its rows.
bool TapCase::IsWhole(const Seen& seen) const {
  return std::ranges::all_of(tapped_, [&](const std::string& node) {
    const std::string outcome = seen.first["outcomes"].value(node, "absent");
    const bool passed = outcome == "ok" || outcome == "skipped" || outcome == "missed" || outcome == "defaulted";
    return !passed || std::ranges::any_of(seen.rows, [&](const Json& row) { return row["node"] == node; });
  });
}

TapCase::Json TapCase::Expected(const Json& values) const {
  Json expected = Json::object();
  for (const auto& [name, value] : values.items()) {
    const bool hidden = std::ranges::find(masked_, name) != masked_.end();
    expected[name] = hidden ? Json{{"$any", true}} : value;
  }
  return expected;
}

std::string TapCase::Text(const std::string& name, const std::string& topology, size_t* omitted) const {
  // `row` counts over all of `given`, source by source.
  std::vector<std::string> sources;
  for (const Seen& seen : records_) AddNames(Json::array({seen.first["source"]}), &sources);
  Json given = Json::object(), expect = Json::object(), letters = Json::array(), columns = Json::object();
  for (const std::string& sink : sinks_) expect[sink] = Json::array();
  size_t index = 0;
  *omitted = 0;
  for (const std::string& source : sources) {
    for (const Seen& seen : records_) {
      if (seen.first["source"] != source) continue;
      if (!IsWhole(seen)) {
        ++*omitted;
        continue;
      }
      given[source].push_back(GivenOf(seen.first, seen.first["record_key"] == "***"));
      for (const Json& row : seen.rows) {
        const std::string node = row["node"];
        const Json values = Expected(row["after"]);
        if (IsSink(node)) {
          Json wanted{{"row", index}};
          if (row["key"].is_string() && row["key"] != "***") wanted["key"] = row["key"];
          if (!values.empty()) wanted["value"] = values;
          expect[node].push_back(wanted);
        } else if (!values.empty()) {
          Json cells{{"row", index}};
          cells.update(values);
          columns[node].push_back(cells);
        }
      }
      for (const Json& error : seen.first["errors"]) {
        if (error["dead_letter"] == true) {
          letters.push_back({{"node", error["node"]}, {"code", error["code"]}, {"row", index}});
        }
      }
      ++index;
    }
  }
  if (!columns.empty()) expect["columns"] = columns;
  if (!letters.empty()) expect["dead_letters"] = letters;
  const Json test{{"name", name}, {"given", given}, {"expect", expect}};
  return Json{{"anabranch_tests", 1}, {"topology", topology}, {"tests", Json::array({test})}}.dump(2) + "\n";
}

}  // namespace anabranch
