#include "connectors/kafka/kafka_target.h"

#include <utility>

#include "connectors/kafka/kafka_source.h"
#include "engine/codec/json_writer.h"
#include "engine/model_sets.h"
#include "engine/text/timestamp.h"

namespace anabranch {

namespace {

// The headers of W3C Trace Context: they go from a record to its results.
bool IsTraceHeader(std::string_view name) { return name == "traceparent" || name == "tracestate"; }

// A record that is traced hands on its own span.
std::string_view TraceOf(const RecordBatch& batch, uint32_t row, const RowHeader& header) {
  const bool traced = header.name == "traceparent" && !batch.traceparent.empty() && !batch.traceparent[row].empty();
  return traced ? batch.traceparent[row] : header.value;
}

// The headers that rows of a batch share stand once in its bytes, once for each set of models that scored some of them;
// every row points at its own. A row with headers of its own has its own copy.
class ResultEncoder : public RowEncoder {
 public:
  ResultEncoder(const KafkaTargetProgram::Settings& settings, const ResultIdentity& identity)
      : writer_(settings.fields),
        raw_(settings.envelope == "raw"),
        cloud_events_(settings.envelope == "cloudevents"),
        headers_(settings.headers == ResultHeaders::kAll),
        models_(headers_ ? identity.models : std::vector<ResultIdentity::Model>()) {
    if (!headers_) return;
    EncodedRows same;
    if (!identity.topology.empty()) same.AppendHeader("anabranch.topology", identity.topology);
    if (!settings.revises.empty()) same.AppendHeader(kHeaderRevises, settings.revises);
    if (!raw_) same.AppendHeader("content-type", "application/json");
    if (cloud_events_) {
      const std::string name = identity.topology.substr(0, identity.topology.find('@'));
      same.AppendHeader("ce_specversion", "1.0");
      same.AppendHeader("ce_type", "anabranch.result");
      same.AppendHeader("ce_source", "/anabranch/" + name + "/" + settings.node_id);
    }
    same_ = std::move(same.bytes);
  }

  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    const std::span<const uint32_t> sets = models_.Find(batch);
    shared_.assign(models_.size(), {});
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (active[row] == 0) continue;
      if (!out->HasRoom()) break;
      EncodeRow(batch, row, SharedOf(sets[row], out), out);
    }
    return Status::Ok();
  }

 private:
  // Of `bytes`: where the headers of a set of models stand.
  struct Part {
    uint32_t at = 0;
    uint32_t size = EncodedRows::kNone;  // not written yet
  };

  Part SharedOf(uint32_t set, EncodedRows* out) {
    Part& part = shared_[set];
    if (part.size != EncodedRows::kNone) return part;
    part.at = out->Here();
    out->bytes.append(same_);
    if (const std::string& names = models_.names(set); !names.empty()) out->AppendHeader("anabranch.models", names);
    part.size = out->Here() - part.at;
    return part;
  }

  void EncodeRow(const RecordBatch& batch, uint32_t row, Part shared, EncodedRows* out) const {
    EncodedRows::Row encoded;
    encoded.partition = batch.partition[row];
    encoded.offset = batch.offset[row];
    encoded.timestamp_ms = batch.timestamp_ms[row];
    const uint32_t begin = out->Here();
    if (batch.key_present[row] != 0) {
      encoded.key = begin;
      out->bytes.append(batch.key[row]);
      encoded.key_size = out->Here() - encoded.key;
    }
    encoded.value = out->Here();
    if (raw_) {
      out->bytes.append(batch.payload[row]);
    } else {
      writer_.Append(batch, row, &out->bytes, out->max_row_bytes);
    }
    encoded.value_size = out->Here() - encoded.value;
    encoded.headers = shared.at;
    encoded.headers_size = shared.size;
    if (headers_ && (cloud_events_ || !batch.headers.empty())) AddOwnHeaders(batch, row, out, &encoded);
    out->AddRow(encoded, row, begin);
  }

  void AddOwnHeaders(const RecordBatch& batch, uint32_t row, EncodedRows* out, EncodedRows::Row* encoded) const {
    bool own = false;
    const auto add = [&](std::string_view name, std::string_view value) {
      if (!own) {
        const uint32_t shared = std::exchange(encoded->headers, out->Here());
        out->bytes.append(out->bytes, shared, encoded->headers_size);
        own = true;
      }
      out->AppendHeader(name, value);
    };
    if (cloud_events_ && batch.timestamp_ms[row] >= 0) add("ce_time", FormatTimestamp(batch.timestamp_ms[row] * 1000));
    for (const RowHeader& header : batch.row_headers(row)) {
      if (IsTraceHeader(header.name)) add(header.name, TraceOf(batch, row, header));
    }
    if (own) encoded->headers_size = out->Here() - encoded->headers;
  }

  const JsonRowWriter writer_;
  const bool raw_;
  const bool cloud_events_;
  const bool headers_;
  ModelSets models_;
  std::string same_;          // the headers that all rows have
  std::vector<Part> shared_;  // by set of models, in the batch being encoded
};

}  // namespace

bool KafkaTargetProgram::ExactlyOnce(const SourceProgram& source, std::string* why) const {
  const auto* kafka = dynamic_cast<const KafkaSourceProgram*>(&source);
  if (kafka != nullptr) {
    const bool same = kafka->settings().options.connection == settings_.options.connection;
    if (why != nullptr) {
      *why = same ? "results and positions are in one Kafka transaction"
                  : "the source is on connection \"" + kafka->settings().options.connection + "\", topic " +
                        settings_.topic + " on \"" + settings_.options.connection +
                        "\": one transaction cannot span both";
    }
    return same;
  }
  if (why != nullptr) {
    *why = source.bounded() ? "results and the file's position are in one Kafka transaction"
                            : "this kind of source keeps no position that a Kafka transaction can carry";
  }
  return source.bounded();
}

std::shared_ptr<const SourceProgram> KafkaTargetProgram::Reader() const {
  auto settings = std::make_shared<KafkaSourceSettings>();
  settings->options = settings_.options;
  settings->topics = {settings_.topic};
  return KafkaSourceProgram(std::move(settings)).Reader();
}

std::unique_ptr<RowEncoder> KafkaTargetProgram::MakeEncoder(const ResultIdentity& identity) const {
  if (settings_.dead_letters) return nullptr;  // they come encoded by the engine
  return std::make_unique<ResultEncoder>(settings_, identity);
}

}  // namespace anabranch
