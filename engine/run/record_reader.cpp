#include "engine/run/record_reader.h"

#include <algorithm>
#include <deque>

#include "engine/clock.h"
#include "engine/record_id.h"

namespace anabranch {
namespace {

constexpr int64_t kPollNs = 50'000'000;
constexpr int64_t kMostSilenceNs = 60'000'000'000;

// How many of `most` each range gives: equal shares, and what one does not have goes to the others.
std::vector<int64_t> Shares(std::span<const RecordReader::Range> ranges, int64_t most) {
  std::vector<size_t> by_size(ranges.size());
  for (size_t i = 0; i < by_size.size(); ++i) by_size[i] = i;
  const auto size = [&](size_t i) { return std::max<int64_t>(0, ranges[i].next - ranges[i].first); };
  std::ranges::sort(by_size, {}, size);
  std::vector<int64_t> shares(ranges.size(), 0);
  for (size_t k = 0; k < by_size.size(); ++k) {
    const auto others = static_cast<int64_t>(by_size.size() - k);
    shares[by_size[k]] = std::min(size(by_size[k]), (most + others - 1) / others);
    most -= shares[by_size[k]];
  }
  return shares;
}

}  // namespace

RecordReader::RecordReader(const SourceProgram& program, Options options)
    : program_(program), options_(std::move(options)) {
  context_.topology = options_.topology;
  context_.instance = options_.instance;
  context_.once = true;
  context_.source_id = options_.source_id;
  context_.state_dir = options_.state_dir;
  context_.make_command = options_.make_command;
  context_.partitions = &table_;
  context_.cancel = options_.cancel != nullptr ? options_.cancel : &never_;
  context_.warn = options_.warn ? options_.warn : [](const std::string&) {};
}

RecordReader::~RecordReader() {
  batch_.Clear(0, 0);
  if (source_ != nullptr) source_->Close();
}

Result<std::unique_ptr<RecordReader>> RecordReader::Open(const SourceProgram& program, Options options) {
  std::unique_ptr<RecordReader> reader(new RecordReader(program, std::move(options)));
  RETURN_IF_ERROR(reader->Start());
  return reader;
}

Status RecordReader::Start() {
  ASSIGN_OR_RETURN(source_, program_.OpenLane(context_));
  RETURN_IF_ERROR(source_->Open());
  const int64_t deadline = Clock::Real().NowNs() + kMostSilenceNs;
  while (true) {
    batch_.Clear(0, 0);
    ASSIGN_OR_RETURN(const SourceEvent event, source_->Poll(batch_, {}, kPollNs));
    if (event == SourceEvent::kAssigned) break;
    if (context_.cancel->draining()) return {Code::kCancelled, "stopped"};
    if (Clock::Real().NowNs() > deadline)
      return {Code::kUnavailable, program_.Describe() + " gave no partitions for 60 s"};
  }
  ids_ = source_->partitions();
  for (const PartitionId id : ids_) partitions_.push_back(table_.at(id));
  return Status::Ok();
}

Result<std::vector<int64_t>> RecordReader::StoredPositions() { return source_->StoredPositions(ids_); }

Result<std::vector<RecordReader::Range>> RecordReader::Readable() {
  ASSIGN_OR_RETURN(const std::vector<PositionRange> all, source_->Readable(ids_));
  std::vector<Range> ranges;
  for (const PositionRange& each : all) ranges.push_back({table_.at(each.partition), each.first, each.next});
  return ranges;
}

Status RecordReader::Read(std::span<const PartitionId> ids, std::span<const int64_t> next, const Visit& visit) {
  if (ids.empty()) return Status::Ok();
  RETURN_IF_ERROR(source_->Assign(ids, next));
  int64_t deadline = Clock::Real().NowNs() + kMostSilenceNs;
  while (!context_.cancel->draining()) {
    batch_.Clear(0, 0);
    ASSIGN_OR_RETURN(const SourceEvent event, source_->Poll(batch_, {}, kPollNs));
    if (event == SourceEvent::kEnd) return Status::Ok();
    if (batch_.rows() == 0 && Clock::Real().NowNs() > deadline)
      return {Code::kUnavailable, program_.Describe() + " gave no record for 60 s, before its end"};
    for (uint32_t row = 0; row < batch_.rows(); ++row) {
      const bool tombstone = batch_.payload[row].data() == nullptr;
      if ((!tombstone || options_.tombstones) && !visit(batch_, row)) return Status::Ok();
    }
    if (batch_.rows() > 0) deadline = Clock::Real().NowNs() + kMostSilenceNs;  // a visit may take long
  }
  return {Code::kCancelled, "stopped"};
}

Status RecordReader::ReadFrom(std::span<const int64_t> next, const Visit& visit) { return Read(ids_, next, visit); }

Status RecordReader::ReadAll(const Visit& visit) {
  return Read(ids_, std::vector<int64_t>(ids_.size(), kNoPosition), visit);
}

Status RecordReader::ReadLast(int64_t most, const Visit& visit) {
  if (most <= 0) return Status::Ok();
  ASSIGN_OR_RETURN(const std::vector<Range> ranges, Readable());
  std::vector<PartitionId> ids;
  std::vector<int64_t> next;
  if (program_.NumbersRecords()) {
    const std::vector<int64_t> shares = Shares(ranges, most);
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (shares[i] == 0) continue;
      ids.push_back(ids_[i]);
      next.push_back(ranges[i].next - shares[i]);
    }
    return Read(ids, next, visit);
  }
  std::deque<std::pair<PartitionId, int64_t>> newest;
  RETURN_IF_ERROR(ReadAll([&](const RecordBatch& batch, uint32_t row) {
    newest.emplace_back(batch.partition[row], batch.offset[row]);
    if (static_cast<int64_t>(newest.size()) > most) newest.pop_front();
    return true;
  }));
  for (const auto& [id, offset] : newest) {
    if (std::ranges::find(ids, id) != ids.end()) continue;
    ids.push_back(id);
    next.push_back(offset);
  }
  return Read(ids, next, visit);
}

Status RecordReader::ReadOne(const SourcePartition& partition, int64_t offset, const Visit& visit) {
  const auto found = std::ranges::find(partitions_, partition);
  if (found == partitions_.end()) {
    return {Code::kInvalid,
            program_.Describe() + " has no partition " + partition.topic + "/" + std::to_string(partition.partition)};
  }
  const auto place = static_cast<size_t>(found - partitions_.begin());
  ASSIGN_OR_RETURN(const std::vector<Range> ranges, Readable());
  const Range& range = ranges[place];
  bool there = false;
  if (offset >= range.first && offset < range.next) {
    const Status read =
        Read(std::span(&ids_[place], 1), std::span(&offset, 1), [&](const RecordBatch& batch, uint32_t row) {
          there = batch.offset[row] == offset;
          if (there) visit(batch, row);
          return false;
        });
    if (!read.ok() && read.code() != Code::kInvalid) return read;
  }
  return there ? Status::Ok() : NotThere(range, offset);
}

Status RecordReader::NotThere(const Range& range, int64_t offset) {
  const std::string of = range.partition.topic + "/" + std::to_string(range.partition.partition);
  const std::string text =
      "there is no record " + RecordId(range.partition, offset) + " in " + program_.Describe() + ": ";
  if (!program_.NumbersRecords()) {
    int64_t before = -1, after = -1, number = 0;
    RETURN_IF_ERROR(ReadAll([&](const RecordBatch& batch, uint32_t row) {
      after = batch.offset[row] > offset ? batch.offset[row] : after;
      if (after < 0) before = batch.offset[row];
      number += after < 0 ? 1 : 0;
      return after < 0;
    }));
    if (before < 0 && after < 0) return {Code::kInvalid, text + "it has no record"};
    const int64_t nearest = before < 0 ? after : before;
    return {Code::kInvalid, text + "no record begins at byte " + std::to_string(offset) + ". Record " +
                                std::to_string(std::max<int64_t>(1, number)) + " begins at byte " +
                                std::to_string(nearest) + ": " + RecordId(range.partition, nearest)};
  }
  if (range.first >= range.next)
    return {Code::kInvalid, text + of + " is empty; its next record gets offset " + std::to_string(range.next)};
  if (offset < range.first) {
    return {Code::kInvalid,
            text + "it was deleted; the first record that can be read is " + RecordId(range.partition, range.first)};
  }
  if (offset >= range.next) {
    return {Code::kInvalid, text + "it was not written yet; the last offset is " + std::to_string(range.next - 1)};
  }
  return {Code::kInvalid, text +
                              "this offset has no record. It was compacted away, belongs to a transaction that was "
                              "aborted, or marks the end of one"};
}

}  // namespace anabranch
