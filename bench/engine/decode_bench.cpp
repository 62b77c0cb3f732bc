// How fast records become columns, against what a plain program would do with the same bytes in the same run:
//   decode/nlohmann   ours ÷ a nlohmann DOM parse that picks the same fields (floor 8)
//   decode/simdjson   ours ÷ a bare simdjson on-demand loop that picks the same fields from padded copies (floor 0.75)
//   decode/tensor     ours ÷ the same bare loop, for records of 784 numbers (floor 0.9)
//   decode/text       ours ÷ the same bare loop, for records with a text of 8.4 KB and a number (floor 0.9)
// They take turns; printed are the median ratio of the rounds and its range.
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/codec/decoder.h"

namespace anabranch {
namespace {

constexpr size_t kRecords = 4096;
constexpr size_t kBatch = 256;
constexpr int kRounds = 15;
constexpr int kTextTurns = 20;

ConfigValue ToConfig(const nlohmann::ordered_json& json) {
  ConfigValue value;
  if (json.is_object()) {
    value.kind = ConfigValue::Kind::kObject;
    for (const auto& [name, member] : json.items()) {
      value.children.push_back(ToConfig(member));
      value.children.back().name = name;
    }
  } else if (json.is_number_integer()) {
    value.kind = ConfigValue::Kind::kInteger;
    value.integer = json.get<int64_t>();
    value.number = static_cast<double>(value.integer);
  } else {
    value.kind = ConfigValue::Kind::kString;
    value.text = json.get<std::string>();
  }
  return value;
}

constexpr char kTabular[] = R"({"type":"object","properties":{"id":{"type":"string"},"card":{"type":"string"},
  "amount":{"type":"number"},"country":{"type":"string"},"home":{"type":"string"},"age":{"type":"integer"},
  "balance":{"type":"number"},"tries":{"type":"integer"},"online":{"type":"boolean"}}})";
constexpr char kPixels[] = R"({"type":"object","properties":{
  "pixels":{"type":"array","minItems":784,"maxItems":784,"items":{"type":"number"}}}})";

constexpr char kTexts[] = R"({"type":"object","properties":{"size":{"type":"integer"},"data":{"type":"string"}}})";

std::vector<std::string> TabularRecords() {
  std::vector<std::string> records;
  for (size_t i = 0; i < kRecords; ++i) {
    char text[400];
    std::snprintf(
        text, sizeof text,
        R"({"id":"pay-%08zu","card":"4556-%04zu-%04zu-1881","amount":%.2f,"country":"%s","home":"DE",)"
        R"("age":%zu,"balance":%.4f,"tries":%zu,"online":%s,"note":"card present, chip read, receipt by mail, desk 12"})",
        i, i * 7919 % 10000, i * 104729 % 10000, static_cast<double>(i * 977 % 99991) / 100, i % 3 ? "DE" : "FR",
        18 + i % 70, static_cast<double>(i * 7907 % 999983) / 3, i % 4, i % 2 ? "true" : "false");
    records.emplace_back(text);
  }
  return records;
}

std::vector<std::string> PixelRecords() {
  std::vector<std::string> records;
  for (size_t i = 0; i < 256; ++i) {
    std::string text = "{\"pixels\":[";
    for (size_t k = 0; k < 784; ++k) {
      char number[32];
      std::snprintf(number, sizeof number, "%s%.8f", k == 0 ? "" : ",",
                    static_cast<double>((i * 31 + k * 17) % 256) / 255);
      text += number;
    }
    records.push_back(text + "]}");
  }
  return records;
}

std::vector<std::string> TextRecords() {
  std::vector<std::string> records;
  for (const std::string& pixels : PixelRecords()) {
    if (records.size() == 32) break;  // they stay in the cache, as what a consumer has just copied does
    records.push_back("{\"size\":784,\"data\":\"" + pixels.substr(11, pixels.size() - 13) + ",\"}");
  }
  return records;
}

// Nanoseconds per record.
double Time(size_t records, const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() / static_cast<double>(records);
}

class Ours {
 public:
  Ours(const char* schema, const Type* storage) {
    config_ = ToConfig(nlohmann::ordered_json::parse(schema));
    FaultSink faults("bench");
    plan_.schema = CompileSchema(config_, faults);
    for (size_t i = 0; i < plan_.schema->fields().size(); ++i) {
      plan_.fields.push_back({i, ColumnId(i), storage != nullptr ? *storage : plan_.schema->fields()[i].type});
    }
    decoder_ = MakeJsonDecoder(plan_);
  }
  // Nanoseconds per record in Decode(): filling the batch is the source's work. Negative when a record was refused.
  double Run(const std::vector<std::string>& records) {
    size_t failed = 0;
    double spent = 0;
    for (size_t begin = 0; begin < records.size(); begin += kBatch) {
      batch_.Clear(plan_.fields.size(), 1);
      const size_t end = std::min(begin + kBatch, records.size());
      for (size_t i = begin; i < end; ++i) batch_.AddRow(0, static_cast<int64_t>(i), 0, {}, false, records[i]);
      batch_.PrepareStages();
      batch_.stages[0].outcome.assign(batch_.rows(), Outcome::kOk);
      spent += Time(1, [&] { decoder_->Decode(batch_); });
      failed += batch_.stages[0].errors.size();
    }
    return failed == 0 ? spent / static_cast<double>(records.size()) : -1;
  }

 private:
  ConfigValue config_;
  DecodePlan plan_;
  std::unique_ptr<Decoder> decoder_;
  RecordBatch batch_;
};

// What the loops without an engine fill: one vector per field.
struct Plain {
  std::vector<std::string> id, card, country, home;
  std::vector<std::string_view> id_view, card_view, country_view, home_view;
  std::vector<double> amount, balance;
  std::vector<int64_t> age, tries;
  std::vector<char> online;
  std::vector<float> pixels;
  void Clear() {
    id.clear(), card.clear(), country.clear(), home.clear();
    id_view.clear(), card_view.clear(), country_view.clear(), home_view.clear();
    amount.clear(), balance.clear(), age.clear(), tries.clear(), online.clear(), pixels.clear();
  }
};

void Nlohmann(const std::vector<std::string>& records, Plain* out) {
  for (size_t i = 0; i < records.size(); ++i) {
    if (i % kBatch == 0) out->Clear();
    const nlohmann::json record = nlohmann::json::parse(records[i]);
    out->id.push_back(record.at("id").get<std::string>());
    out->card.push_back(record.at("card").get<std::string>());
    out->amount.push_back(record.at("amount").get<double>());
    out->country.push_back(record.at("country").get<std::string>());
    out->home.push_back(record.at("home").get<std::string>());
    out->age.push_back(record.at("age").get<int64_t>());
    out->balance.push_back(record.at("balance").get<double>());
    out->tries.push_back(record.at("tries").get<int64_t>());
    out->online.push_back(record.at("online").get<bool>());
  }
}

void BareTabular(const std::vector<simdjson::padded_string>& records, simdjson::ondemand::parser* parser, Plain* out) {
  for (size_t i = 0; i < records.size(); ++i) {
    if (i % kBatch == 0) out->Clear();
    simdjson::ondemand::document document = parser->iterate(records[i]);
    simdjson::ondemand::object record = document.get_object();
    out->id_view.push_back(record["id"].get_string());
    out->card_view.push_back(record["card"].get_string());
    out->amount.push_back(record["amount"].get_double());
    out->country_view.push_back(record["country"].get_string());
    out->home_view.push_back(record["home"].get_string());
    out->age.push_back(record["age"].get_int64());
    out->balance.push_back(record["balance"].get_double());
    out->tries.push_back(record["tries"].get_int64());
    out->online.push_back(record["online"].get_bool().value());
  }
}

void BarePixels(const std::vector<simdjson::padded_string>& records, simdjson::ondemand::parser* parser, Plain* out) {
  for (const simdjson::padded_string& record : records) {
    out->Clear();
    simdjson::ondemand::document document = parser->iterate(record);
    for (auto pixel : document["pixels"].get_array())
      out->pixels.push_back(static_cast<float>(pixel.get_double().value()));
  }
}

void BareTexts(const std::vector<simdjson::padded_string>& records, simdjson::ondemand::parser* parser, Plain* out) {
  for (const simdjson::padded_string& record : records) {
    out->Clear();
    simdjson::ondemand::document document = parser->iterate(record);
    simdjson::ondemand::object object = document.get_object();
    out->age.push_back(object["size"].get_int64());
    out->id_view.push_back(object["data"].get_string());
  }
}

std::vector<simdjson::padded_string> Padded(const std::vector<std::string>& records) {
  std::vector<simdjson::padded_string> padded;
  for (const std::string& record : records) padded.emplace_back(record);
  return padded;
}

bench::Spread Ratios(const std::vector<double>& base, const std::vector<double>& ours) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(base[i] / ours[i]);
  return bench::SpreadOf(std::move(ratios));
}

}  // namespace

int Main() {
  Plain plain;
  simdjson::ondemand::parser parser;
  const std::vector<std::string> tabular = TabularRecords();
  const std::vector<simdjson::padded_string> tabular_padded = Padded(tabular);
  const std::vector<std::string> pixels = PixelRecords();
  const std::vector<simdjson::padded_string> pixels_padded = Padded(pixels);
  const std::vector<std::string> texts = TextRecords();
  const std::vector<simdjson::padded_string> texts_padded = Padded(texts);
  const Type float_pixels = Type::Tensor(Kind::kFloat32, {784});
  Ours ours_tabular(kTabular, nullptr);
  Ours ours_pixels(kPixels, &float_pixels);
  Ours ours_texts(kTexts, nullptr);
  if (ours_tabular.Run(tabular) < 0 || ours_pixels.Run(pixels) < 0 || ours_texts.Run(texts) < 0)
    return std::puts("a record was refused"), 1;
  std::printf("record: %zu bytes, 9 fields; %zu bytes, 784 numbers\n", tabular[0].size(), pixels[0].size());
  std::vector<double> dom, bare, ours, bare_tensor, ours_tensor, bare_text, ours_text;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(ours_tabular.Run(tabular));
    bare.push_back(Time(kRecords, [&] { BareTabular(tabular_padded, &parser, &plain); }));
    dom.push_back(Time(kRecords, [&] { Nlohmann(tabular, &plain); }));
    ours_tensor.push_back(ours_pixels.Run(pixels));
    bare_tensor.push_back(Time(pixels.size(), [&] { BarePixels(pixels_padded, &parser, &plain); }));
    double text_ours = 0, text_bare = 0;
    for (int turn = 0; turn < kTextTurns; ++turn) {
      text_ours += ours_texts.Run(texts) / kTextTurns;
      text_bare += Time(texts.size(), [&] { BareTexts(texts_padded, &parser, &plain); }) / kTextTurns;
    }
    ours_text.push_back(text_ours);
    bare_text.push_back(text_bare);
  }
  bench::Report report;
  report.Value("tabular", bench::SpreadOf(ours), "ns per record");
  report.Value("tensor", bench::SpreadOf(ours_tensor), "ns per record");
  report.Value("text", bench::SpreadOf(ours_text), "ns per record");
  report.AtLeast("decode/nlohmann", Ratios(dom, ours), "x", 8);
  report.AtLeast("decode/simdjson", Ratios(bare, ours), "x", 0.75);
  report.AtLeast("decode/tensor", Ratios(bare_tensor, ours_tensor), "x", 0.9);
  report.AtLeast("decode/text", Ratios(bare_text, ours_text), "x", 0.9);
  return report.Finish();
}

}  // namespace anabranch

int main() { return anabranch::Main(); }
