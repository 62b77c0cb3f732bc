#include "engine/keep/crc32c.h"
#include "engine/keep/kept_format.h"

namespace anabranch {
namespace {

constexpr uint16_t kOutputsFlag = 1;

std::string PrintHeader(const KeptHeader& header) {
  std::string out;
  PutText(header.topology, &out);
  PutText(header.source, &out);
  PutNumber(header.sequence, &out);
  PutNumber(header.rows, &out);
  PutNumber(static_cast<uint32_t>(header.ranges.size()), &out);
  for (const KeptHeader::Range& range : header.ranges) {
    PutText(range.partition.topic, &out);
    PutNumber(range.partition.partition, &out);
    PutNumber(range.first, &out);
    PutNumber(range.next, &out);
    if (!HasScoring(header)) continue;
    PutNumber(uint32_t{range.scoring.generation}, &out);
    PutNumber(range.scoring.since, &out);
    PutNumber(uint32_t{range.scoring.before}, &out);
  }
  PutNumber(static_cast<uint32_t>(header.done.size()), &out);
  for (const KeptHeader::Stage& stage : header.done) {
    PutText(stage.id, &out);
    PutText(stage.closure, &out);
    PutNumber(stage.rows_out, &out);
    PutNumber(stage.bytes, &out);
    if (!HasScoring(header)) continue;
    PutNumber(static_cast<uint32_t>(stage.versions.size()), &out);
    for (const std::string& version : stage.versions) PutText(version, &out);
  }
  PutNumber(static_cast<uint32_t>(header.columns.size()), &out);
  for (const KeptHeader::Column& column : header.columns) {
    PutText(column.name, &out);
    PutText(column.maker, &out);
    PutText(column.type, &out);
  }
  return out;
}

bool ParseHeader(std::string_view text, KeptHeader* header) {
  ByteReader in(text);
  header->topology = in.Text();
  header->source = in.Text();
  header->sequence = in.Number<uint64_t>();
  header->rows = in.Number<uint32_t>();
  header->ranges.resize(in.Count(HasScoring(*header) ? 40 : 24));
  for (KeptHeader::Range& range : header->ranges) {
    range.partition.topic = in.Text();
    range.partition.partition = in.Number<int32_t>();
    range.first = in.Number<int64_t>();
    range.next = in.Number<int64_t>();
    if (HasScoring(*header)) {
      range.scoring.generation = GenerationId(in.Number<uint32_t>());
      range.scoring.since = in.Number<int64_t>();
      range.scoring.before = GenerationId(in.Number<uint32_t>());
    }
    if (range.first < 0 || range.next < range.first) return false;
  }
  header->done.resize(in.Count(20));
  for (KeptHeader::Stage& stage : header->done) {
    stage.id = in.Text();
    stage.closure = in.Text();
    stage.rows_out = in.Number<uint32_t>();
    stage.bytes = in.Number<uint64_t>();
    if (!HasScoring(*header)) continue;
    stage.versions.resize(in.Count(sizeof(uint32_t)));
    for (std::string& version : stage.versions) version = in.Text();
  }
  header->columns.resize(in.Count(12));
  for (KeptHeader::Column& column : header->columns) {
    column.name = in.Text();
    column.maker = in.Text();
    column.type = in.Text();
  }
  return in.ok() && in.left() == 0;
}

Status NotAFrame(const char* why) { return {Code::kInvalid, std::string("not a frame of kept results: ") + why}; }

}  // namespace

std::string SealFrame(const KeptHeader& header, std::string_view body, std::string_view rest_of_body) {
  const std::string text = PrintHeader(header);
  std::string frame;
  frame.reserve(kFramePrefixBytes + text.size() + body.size() + rest_of_body.size());
  PutNumber(kFrameMagic, &frame);
  PutNumber(header.version, &frame);
  PutNumber(header.outputs ? kOutputsFlag : uint16_t{0}, &frame);
  PutNumber(static_cast<uint32_t>(text.size()), &frame);
  PutNumber(Crc32c(text, Crc32c(frame)), &frame);
  PutNumber(Crc32c(rest_of_body, Crc32c(body)), &frame);
  frame += text;
  frame += body;
  frame += rest_of_body;
  return frame;
}

Result<KeptHeader> ReadKeptHeader(std::string_view frame) {
  ByteReader in(frame);
  const auto magic = in.Number<uint32_t>();
  const auto version = in.Number<uint16_t>();
  const auto flags = in.Number<uint16_t>();
  const auto size = in.Number<uint32_t>();
  const auto crc = in.Number<uint32_t>();
  (void)in.Number<uint32_t>();
  if (!in.ok() || magic != kFrameMagic) return NotAFrame("it has another beginning");
  if (version == 0 || version > kFrameVersion) {
    return Status(Code::kInvalid, "kept results of format version " + std::to_string(version) +
                                      "; this program reads versions up to " + std::to_string(kFrameVersion));
  }
  const std::string_view text = in.Take(size);
  if (!in.ok()) return NotAFrame("its header is truncated");
  if (Crc32c(text, Crc32c(frame.substr(0, 12))) != crc) return NotAFrame("its header is damaged");
  KeptHeader header;
  header.version = version;
  header.outputs = (flags & kOutputsFlag) != 0;
  if (!ParseHeader(text, &header)) return NotAFrame("its header cannot be read");
  return header;
}

std::function<std::optional<int64_t>(const SourcePartition&)> NextOf(const KeptHeader& header) {
  return [ranges = header.ranges](const SourcePartition& partition) -> std::optional<int64_t> {
    for (const KeptHeader::Range& range : ranges) {
      if (range.partition == partition) return range.first;
    }
    return std::nullopt;
  };
}

Status OpenFrame(std::string_view frame, KeptHeader* header, std::string_view* body) {
  ASSIGN_OR_RETURN(*header, ReadKeptHeader(frame));
  *body = frame.substr(kFramePrefixBytes + LoadNumber<uint32_t>(frame.data() + 8));
  if (Crc32c(*body) != LoadNumber<uint32_t>(frame.data() + 16)) return NotAFrame("its body is damaged");
  return Status::Ok();
}

}  // namespace anabranch
