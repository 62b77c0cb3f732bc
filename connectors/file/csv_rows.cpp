#include "connectors/file/csv_rows.h"

#include "engine/codec/json_writer.h"
#include "engine/text/base64.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

std::string_view WithoutQuotes(std::string_view text) {
  return text.size() >= 2 && text.front() == '"' ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

CsvRows::CsvRows(const std::vector<TargetFields::Field>& fields, bool identity, char delimiter)
    : fields_(fields), identity_(identity), delimiter_(delimiter) {}

void CsvRows::AppendCell(std::string_view text, bool is_string, std::string* out) const {
  const char special[] = {delimiter_, '"', '\r', '\n'};
  const bool spaced = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  const bool quoted = spaced || (text.empty() && is_string) ||
                      text.find_first_of(std::string_view(special, sizeof special)) != std::string_view::npos;
  if (!quoted) {
    out->append(text);
    return;
  }
  *out += '"';
  for (const char c : text) {
    if (c == '"') *out += '"';
    *out += c;
  }
  *out += '"';
}

std::string CsvRows::Header() const {
  std::string header;
  const auto add = [&](std::string_view name) {
    if (!header.empty()) header += delimiter_;
    AppendCell(name, true, &header);
  };
  if (identity_) {
    add("id");
    add("key");
  }
  for (const TargetFields::Field& field : fields_) add(field.name);
  return header + "\n";
}

void CsvRows::Append(const RecordBatch& batch, uint32_t row, std::string_view id, std::string* out) {
  bool first = true;
  const auto next = [&] {
    if (!first) *out += delimiter_;
    first = false;
  };
  if (identity_) {
    next();
    AppendCell(id, true, out);
    next();
    if (batch.key_present[row] != 0) {
      AppendCell(IsUtf8(batch.key[row]) ? std::string(batch.key[row]) : Base64(batch.key[row]), true, out);
    }
  }
  for (const TargetFields::Field& field : fields_) {
    next();
    const Column& column = batch.columns[field.column];
    if (!column.valid(row)) continue;
    if (column.type().kind == Kind::kString && column.type().IsScalar()) {
      AppendCell(column.values<std::string_view>()[row], true, out);
      continue;
    }
    cell_.clear();
    AppendJsonCell(&cell_, column, row);
    if (cell_ != "null") AppendCell(WithoutQuotes(cell_), false, out);
  }
  *out += '\n';
}

}  // namespace anabranch
