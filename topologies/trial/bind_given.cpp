#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/text/base64.h"
#include "engine/text/json_literals.h"
#include "topologies/trial/bind_parts.h"
#include "topologies/trial/json_value.h"

namespace anabranch {
namespace {

constexpr size_t kMostGiven = 100'000;
constexpr size_t kMostLine = size_t{16} << 20;

// A cell of a row with a header, quoted where it must be.
std::string RowCell(const ConfigValue& value, char delimiter) {
  if (value.kind == ConfigValue::Kind::kNull) return {};
  std::string text = value.is_string() ? value.text : JsonText(value);
  const std::string special = std::string("\"\r\n") + delimiter;
  if (!text.empty() && text.find_first_of(special) == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

class GivenBinder {
 public:
  explicit GivenBinder(TestBinding& binding) : binding_(binding) {}

  void Bind(const ConfigValue& given) {
    for (const ConfigValue& entry : given.children) BindSource(entry);
  }

 private:
  void BindSource(const ConfigValue& entry) {
    std::vector<std::string> known;
    for (uint32_t i = 0; i < binding_.plan.sources.size(); ++i) {
      if (binding_.plan.sources[i].id == entry.name) {
        source_ = StageId(i);
        index_ = 0;
        return entry.is_array() ? BindRecords(entry) : BindFile(*entry.Find("file"));
      }
      known.push_back(binding_.plan.sources[i].id);
    }
    binding_.faults.AddAtName(FaultCode::kUnknownReference, entry, "there is no source \"" + entry.name + "\"",
                              Suggest(entry.name, known));
  }

  void BindRecords(const ConfigValue& entry) {
    for (const ConfigValue& at : entry.children) BindRecord(at);
  }

  void BindRecord(const ConfigValue& at) {
    TrialRecord record = Next();
    const std::optional<std::string> value = ValueOf(at);
    if (const ConfigValue* key = at.Find("key")) record.key = TextOrNull(*key);
    if (const ConfigValue* time = at.Find("timestamp")) {
      record.timestamp_ms = InstantOf(*time, binding_.faults).value_or(-1);
    }
    if (const ConfigValue* headers = at.Find("headers")) {
      if (!AreHeaders(*headers, binding_)) return Add(std::move(record), value.has_value());
      for (const ConfigValue& header : headers->children) record.headers.emplace_back(header.name, TextOrNull(header));
    }
    if (value) record.value = *value;
    Add(std::move(record), value.has_value());
  }

  TrialRecord Next() const {
    TrialRecord record;
    record.source = source_;
    record.partition = {binding_.plan.StageName(source_), 0};
    record.offset = static_cast<int64_t>(index_);
    record.timestamp_ms = binding_.test.options.wall_ms.value_or(-1);
    return record;
  }

  void Add(TrialRecord record, bool has_value) {
    TestCase& test = binding_.test;
    test.given.push_back({source_, index_++, has_value ? std::optional(test.records.size()) : std::nullopt});
    if (!has_value) return;
    test.given_of.push_back(test.given.size() - 1);
    test.records.push_back(std::move(record));
  }

  // Nullopt: the record has no value. A record that says nothing of its value is a fault.
  std::optional<std::string> ValueOf(const ConfigValue& at) {
    const ConfigValue* const value = at.Find("value");
    const ConfigValue* const text = at.Find("text");
    const ConfigValue* const base64 = at.Find("base64");
    const int ways = (value != nullptr) + (text != nullptr) + (base64 != nullptr);
    if (ways == 0 && MayBeMisspelt(at, {"key", "headers", "timestamp"})) return std::string();
    if (ways != 1) {
      binding_.faults.Add(FaultCode::kBadValue, at,
                          "a given record needs exactly one of \"value\", \"text\" and \"base64\"",
                          "{\"value\": {…}} is a record with that JSON value");
      return std::string();
    }
    if (text != nullptr) return text->text;
    if (base64 != nullptr) {
      Result<std::string> bytes = FromBase64(base64->text);
      if (bytes.ok()) return *std::move(bytes);
      binding_.faults.Add(FaultCode::kBadValue, *base64, "\"base64\" cannot be decoded: " + bytes.status().message(),
                          "write `base64 -w0 FILE`, or give a text as \"text\"");
      return std::string();
    }
    if (value->kind == ConfigValue::Kind::kNull) return std::nullopt;
    return Written(*value);
  }

  // As the source's format has it.
  std::string Written(const ConfigValue& value) {
    const PlanSource& source = binding_.plan.sources[source_];
    if (source.format == nullptr || !source.format->spec().needs_header) return JsonText(value);
    const RowLayout layout = source.program->row_layout();
    if (!value.is_object()) {
      binding_.faults.Add(
          FaultCode::kWrongType, value,
          std::string("the value of a record of \"") + source.id + "\" must be an object, not " + value.KindName(),
          "or give the whole row as \"text\"");
      return {};
    }
    for (const ConfigValue& member : value.children) {
      if (std::ranges::find(layout.header, member.name) != layout.header.end()) continue;
      binding_.faults.AddAtName(FaultCode::kUnknownColumn, member,
                                "the header row of source \"" + source.id + "\" names no \"" + member.name + "\"",
                                Suggest(member.name, layout.header));
    }
    std::string row;
    for (const std::string& name : layout.header) {
      const ConfigValue* cell = value.Find(name);
      if (&name != &layout.header.front()) row += layout.delimiter;
      if (cell != nullptr) row += RowCell(*cell, layout.delimiter);
    }
    return row;
  }

  std::optional<std::string> TextOrNull(const ConfigValue& at) {
    if (at.kind == ConfigValue::Kind::kNull) return std::nullopt;
    if (at.is_string()) return at.text;
    binding_.faults.Add(FaultCode::kWrongType, at, "\"" + at.name + "\" must be a string or null, not " + at.KindName(),
                        at.is_number() ? "write it in quotes: \"" + JsonText(at) + "\"" : "");
    return std::nullopt;
  }

  void BindFile(const ConfigValue& at) {
    const Result<std::string> path = binding_.paths.Resolve(at.text);
    if (!path.ok()) {
      binding_.faults.Add(FaultCode::kPath, at, path.status().message());
      return;
    }
    std::error_code error;
    std::ifstream file;
    if (std::filesystem::is_regular_file(*path, error)) file.open(*path, std::ios::binary);
    if (!file.is_open()) {
      binding_.faults.Add(FaultCode::kCannotRead, at, "the file \"" + at.text + "\" cannot be read",
                          "the path is relative to the file of the test");
      return;
    }
    for (std::string line; std::getline(file, line);) {
      if (index_ == kMostGiven || line.size() > kMostLine) {
        binding_.faults.Add(FaultCode::kTooLarge, at,
                            "a test reads at most 100,000 lines of 16 MiB; \"" + at.text + "\" has more");
        return;
      }
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) continue;
      TrialRecord record = Next();
      record.value = std::move(line);
      Add(std::move(record), true);
    }
  }

  TestBinding& binding_;
  StageId source_;
  size_t index_ = 0;
};

}  // namespace

void BindGiven(const ConfigValue& given, TestBinding& binding) { GivenBinder(binding).Bind(given); }

}  // namespace anabranch
