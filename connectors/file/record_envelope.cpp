#include "connectors/file/record_envelope.h"

#include <simdjson.h>

#include <algorithm>

#include "connectors/file/row_reader.h"
#include "engine/text/base64.h"
#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::ondemand::json_type;

static_assert(Chunk::kPadding >= simdjson::SIMDJSON_PADDING);

Status NotJson(simdjson::error_code error) {
  return {Code::kStage, std::string("the line is no JSON: ") + simdjson::error_message(error)};
}

Status NotEnvelope(std::string text) {
  return {
      Code::kInvalid,
      std::move(text) + "; known: key, key_base64, value, value_text, value_base64, headers, header_list, timestamp"};
}

#define RETURN_IF_JSON_ERROR(expr) \
  if (const simdjson::error_code json_error = (expr); json_error != simdjson::SUCCESS) return NotJson(json_error)

Result<json_type> TypeOf(ondemand::value& value) {
  json_type type;
  RETURN_IF_JSON_ERROR(value.type().get(type));
  return type;
}

Result<std::string_view> RawText(ondemand::value& value) {
  std::string_view text;
  RETURN_IF_JSON_ERROR(simdjson::to_json_string(value).get(text));
  const size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last + 1);
}

// Reads the members of one line into a record.
class MemberReader {
 public:
  MemberReader(Arena* text, EnvelopeRecord* record) : text_(text), record_(record) {}

  Status Take(std::string_view name, ondemand::value value) {
    if (name == "key" || name == "key_base64") return TakeKey(name, value);
    if (name == "value" || name == "value_text" || name == "value_base64") return TakeValue(name, value);
    if (name == "headers") return TakeHeaders(value);
    if (name == "header_list") return TakeHeaderList(value);
    if (name == "timestamp") return TakeTimestamp(value);
    return NotEnvelope("a record has no member \"" + std::string(name.substr(0, 64)) + "\"");
  }
  bool has_value() const { return has_value_; }

 private:
  Result<std::string_view> String(ondemand::value& value, std::string_view name) {
    ASSIGN_OR_RETURN(const json_type type, TypeOf(value));
    if (type != json_type::string) return NotEnvelope("\"" + std::string(name) + "\" is no string");
    std::string_view text;
    RETURN_IF_JSON_ERROR(value.get_string().get(text));
    return text_->Copy(text);
  }

  Result<std::string_view> Bytes(ondemand::value& value, std::string_view name) {
    ASSIGN_OR_RETURN(const std::string_view text, String(value, name));
    const Result<std::string> bytes = FromBase64(text);
    if (!bytes.ok()) return NotEnvelope("\"" + std::string(name) + "\" is no base64");
    return text_->Copy(*bytes);
  }

  Status TakeKey(std::string_view name, ondemand::value& value) {
    if (record_->has_key) return NotEnvelope("a record has two keys");
    ASSIGN_OR_RETURN(const json_type type, TypeOf(value));
    if (type == json_type::null) return {};
    if (name == "key_base64") {
      ASSIGN_OR_RETURN(record_->key, Bytes(value, name));
    } else if (type == json_type::string) {
      ASSIGN_OR_RETURN(record_->key, String(value, name));
    } else {
      ASSIGN_OR_RETURN(record_->key, RawText(value));
    }
    record_->has_key = true;
    return {};
  }

  Status TakeValue(std::string_view name, ondemand::value& value) {
    if (has_value_) return NotEnvelope("a record has two values");
    has_value_ = true;
    if (name == "value_text") {
      ASSIGN_OR_RETURN(record_->value, String(value, name));
    } else if (name == "value_base64") {
      ASSIGN_OR_RETURN(record_->value, Bytes(value, name));
    } else {
      ASSIGN_OR_RETURN(record_->value, RawText(value));
    }
    return {};
  }

  // A text, null, {"base64": "…"}; of other values their JSON text.
  Result<std::string_view> HeaderPart(ondemand::value& value) {
    ASSIGN_OR_RETURN(const json_type type, TypeOf(value));
    if (type == json_type::string) return String(value, "headers");
    if (type != json_type::object) {
      ASSIGN_OR_RETURN(const std::string_view raw, RawText(value));
      return type == json_type::null ? std::string_view() : raw;
    }
    ondemand::value bytes;
    if (value.find_field("base64").get(bytes) != simdjson::SUCCESS) {
      return NotEnvelope("a header is neither a string nor {\"base64\": …}");
    }
    return Bytes(bytes, "base64");
  }

  Status TakeHeaders(ondemand::value& value) {
    ondemand::object headers;
    if (value.get_object().get(headers) != simdjson::SUCCESS) return NotEnvelope("\"headers\" is no object");
    for (auto result : headers) {
      ondemand::field field;
      RETURN_IF_JSON_ERROR(std::move(result).get(field));
      std::string_view name;
      RETURN_IF_JSON_ERROR(field.unescaped_key().get(name));
      name = text_->Copy(name);
      ondemand::value part = field.value();
      ASSIGN_OR_RETURN(const std::string_view text, HeaderPart(part));
      record_->headers.push_back({name, text});
    }
    return {};
  }

  Status TakeHeaderList(ondemand::value& value) {
    ondemand::array pairs;
    if (value.get_array().get(pairs) != simdjson::SUCCESS) return NotEnvelope("\"header_list\" is no array");
    for (auto result : pairs) {
      ondemand::array pair;
      RETURN_IF_JSON_ERROR(result.get_array().get(pair));
      std::vector<std::string_view> parts;
      for (auto part_result : pair) {
        ondemand::value part;
        RETURN_IF_JSON_ERROR(std::move(part_result).get(part));
        ASSIGN_OR_RETURN(const std::string_view text, HeaderPart(part));
        parts.push_back(text);
      }
      if (parts.size() != 2) return NotEnvelope("an item of \"header_list\" is no [name, value]");
      record_->headers.push_back({parts[0], parts[1]});
    }
    return {};
  }

  Status TakeTimestamp(ondemand::value& value) {
    ASSIGN_OR_RETURN(const json_type type, TypeOf(value));
    if (type == json_type::null) return {};
    if (type != json_type::number || value.get_int64().get(record_->timestamp_ms) != simdjson::SUCCESS) {
      return NotEnvelope("\"timestamp\" is no whole number of milliseconds");
    }
    return {};
  }

  Arena* text_;
  EnvelopeRecord* record_;
  bool has_value_ = false;
};

Status ReadMembers(ondemand::document& document, MemberReader* members) {
  ondemand::object object;
  const simdjson::error_code error = document.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return NotEnvelope("the line is no JSON object");
  RETURN_IF_JSON_ERROR(error);
  for (auto result : object) {
    ondemand::field field;
    RETURN_IF_JSON_ERROR(std::move(result).get(field));
    std::string_view name;
    RETURN_IF_JSON_ERROR(field.unescaped_key().get(name));
    const std::string kept(name);
    RETURN_IF_ERROR(members->Take(kept, field.value()));
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return NotJson(simdjson::TRAILING_CONTENT);
  return members->has_value() ? Status::Ok() : NotEnvelope("the record has no value");
}

}  // namespace

struct EnvelopeReader::Parser {
  ondemand::parser parser;
};

EnvelopeReader::EnvelopeReader() : parser_(std::make_unique<Parser>()) {}
EnvelopeReader::~EnvelopeReader() = default;

Status EnvelopeReader::Read(std::string_view line, Arena* text, EnvelopeRecord* record, std::string* code) {
  record->key = record->value = {};
  record->has_key = false;
  record->headers.clear();
  record->timestamp_ms = -1;
  ondemand::document document;
  const simdjson::padded_string_view padded(line.data(), line.size(), line.size() + Chunk::kPadding);
  const simdjson::error_code error = parser_->parser.iterate(padded).get(document);
  MemberReader members(text, record);
  Status status = error == simdjson::SUCCESS ? ReadMembers(document, &members) : NotJson(error);
  if (status.ok()) return status;
  *code = status.code() == Code::kInvalid ? "envelope" : "json";
  return {Code::kInvalid, status.message()};
}

namespace {

// Most headers are such: one look instead of two passes. Nothing is appended when it is not.
bool AppendPlain(std::string_view bytes, std::string* out) {
  const bool plain =
      std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= ' ' && c < '\x7f' && c != '"' && c != '\\'; });
  if (!plain) return false;
  *out += '"';
  out->append(bytes);
  *out += '"';
  return true;
}

void AppendEither(std::string_view text_member, std::string_view base64_member, std::string_view bytes,
                  std::string* out) {
  const bool text = IsUtf8(bytes);
  AppendJsonString(out, text ? text_member : base64_member);
  *out += ':';
  AppendJsonString(out, text ? bytes : std::string_view(Base64(bytes)));
}

void AppendHeaderPart(std::string_view bytes, std::string* out) {
  if (AppendPlain(bytes, out)) return;
  if (IsUtf8(bytes)) return AppendJsonString(out, bytes);
  *out += '{';
  AppendEither("base64", "base64", bytes, out);
  *out += '}';
}

// Names that are distinct texts need no list.
bool FitsObject(const std::vector<RowHeader>& headers) {
  constexpr size_t kFew = 32;  // a sort costs more than comparing these
  if (headers.size() <= kFew) {
    for (size_t i = 0; i < headers.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (headers[i].name == headers[k].name) return false;
      }
    }
    return std::ranges::all_of(headers, [](const RowHeader& header) { return IsUtf8(header.name); });
  }
  std::vector<std::string_view> names;
  for (const RowHeader& header : headers) {
    if (!IsUtf8(header.name)) return false;
    names.push_back(header.name);
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

void AppendHeaders(const std::vector<RowHeader>& headers, std::string* out) {
  const bool object = FitsObject(headers);
  *out += object ? ",\"headers\":{" : ",\"header_list\":[";
  for (size_t i = 0; i < headers.size(); ++i) {
    if (i > 0) *out += ',';
    if (!object) *out += '[';
    AppendHeaderPart(headers[i].name, out);
    *out += object ? ':' : ',';
    AppendHeaderPart(headers[i].value, out);
    if (!object) *out += ']';
  }
  *out += object ? '}' : ']';
}

}  // namespace

void AppendRecordEnvelope(const EncodedRows& rows, const EncodedRows::Row& row, std::string* out) {
  *out += '{';
  if (row.key_size == EncodedRows::kNone) {
    *out += "\"key\":null";
  } else {
    AppendEither("key", "key_base64", rows.key(row), out);
  }
  *out += ',';
  if (row.value_size == EncodedRows::kNone) {
    *out += "\"value\":null";
  } else {
    AppendEither("value_text", "value_base64", rows.value(row), out);
  }
  std::vector<RowHeader> headers;
  rows.ForEachHeader(row,
                     [&headers](std::string_view name, std::string_view value) { headers.push_back({name, value}); });
  AppendHeaders(headers, out);
  if (row.timestamp_ms >= 0) *out += ",\"timestamp\":" + std::to_string(row.timestamp_ms);
  *out += "}\n";
}

}  // namespace anabranch
