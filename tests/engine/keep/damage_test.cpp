#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/keep/crc32c.h"
#include "engine/keep/kept_store.h"
#include "engine/keep/segment.h"
#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

constexpr int kDamages = 2500;
constexpr size_t kFileBytes = size_t{64} << 10;

// One byte changed, the file cut, or a piece of it overwritten with zeros.
std::string Damage(std::string bytes, std::mt19937_64& dice) {
  const size_t at = dice() % bytes.size();
  switch (dice() % 8) {
    case 0: bytes.resize(at); break;
    case 1: std::fill(bytes.begin() + static_cast<int64_t>(at), bytes.end(), '\0'); break;
    default: bytes[at] = static_cast<char>(bytes[at] ^ (1 + dice() % 255)); break;
  }
  return bytes;
}

class DamageTest : public ::testing::Test {
 protected:
  ~DamageTest() override { RecordProperty("sum", std::to_string(sum)); }
  DamageTest() : dice(TestSeed()) {
    for (size_t total = 0; total < kFileBytes; total += frames.back().size()) {
      frames.push_back(RandomFrame());
    }
  }

  std::string RandomFrame() {
    SourceTable names;
    RecordBatch batch;
    FillRandomBatch(plan, dice, static_cast<uint32_t>(1 + dice() % 20), names, 2, &batch);
    if (dice() % 2 == 0) batch.time_us.assign(batch.rows(), 5);
    return WriteKeptBatch(*plan.plan, batch, plan.Done({plan.in, plan.a, plan.out}));
  }
  std::string WriteFile(SegmentWriter::Life life) {
    const std::string path = folder / "written";
    std::filesystem::remove(path);
    auto writer = SegmentWriter::Create(path, life);
    for (const std::string& frame : frames) EXPECT_TRUE((*writer)->Append(frame).ok());
    if (life == SegmentWriter::Life::kSegment) {
      EXPECT_TRUE((*writer)->Finish().ok());
    }
    return ReadAll(path);
  }
  // The frames of the damaged file, or nothing when the damage was reported.
  std::optional<std::vector<std::string>> Read(const std::string& bytes, bool finished) {
    WriteAll(folder / "damaged", bytes);
    auto reader = SegmentReader::Open(folder / "damaged");
    if (!reader.ok()) {
      EXPECT_EQ(reader.status().code(), Code::kInvalid) << reader.status().message();
      return std::nullopt;
    }
    if ((*reader)->finished() != finished) return std::nullopt;
    std::vector<std::string> read;
    for (size_t i = 0; i < (*reader)->frames(); ++i) {
      auto frame = (*reader)->Read(i);
      EXPECT_TRUE(frame.ok());
      if (frame.ok()) read.push_back(std::move(frame).value());
    }
    return read;
  }

  // Takes a frame up and looks at everything that came of it.
  Status Use(const std::string& bytes) {
    RecordBatch batch;
    batch.Clear(plan.plan->columns.size(), plan.plan->stages());
    SourceTable names;
    const Status status =
        RestoreKeptBatch(*plan.plan, std::make_shared<const std::string>(bytes), plan.ReuseAll(), names, &batch);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), Code::kInvalid) << status.message();
      return status;
    }
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      sum += batch.payload[row].size() + names.at(batch.partition[row]).topic.size();
      for (const std::string_view text : {batch.key[row], batch.payload[row]}) Touch(text);
      for (const RowHeader& header : batch.row_headers(row)) Touch(header.name), Touch(header.value);
    }
    for (const auto* columns : {&plan.source_columns, &plan.a_columns}) {
      for (const ColumnId id : *columns) {
        if (!batch.restored) continue;
        EXPECT_EQ(ReadCells(batch.columns[id]).size(), batch.rows());
        for (uint32_t row = 0; row < batch.rows(); ++row) Touch(batch.columns[id].misfit(row));
      }
    }
    for (const EncodedRows& rows : batch.encoded.targets) {
      for (const EncodedRows::Row& row : rows.rows) {
        if (row.key_size != EncodedRows::kNone) Touch(rows.key(row));
        if (row.value_size != EncodedRows::kNone) Touch(rows.value(row));
        rows.ForEachHeader(row, [this](std::string_view name, std::string_view value) { Touch(name), Touch(value); });
      }
    }
    for (const StageRows& stage : batch.stages) {
      if (!batch.restored) break;
      for (const RowError& error : stage.errors) EXPECT_LT(error.row, batch.rows());
    }
    return status;
  }
  void Touch(std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  }

  // Sums that hold again: what a hostile writer would do.
  static std::string Sealed(std::string frame) {
    const auto size = LoadU32(frame, 8);
    if (frame.size() < 20 || size > frame.size() - 20) return frame;
    const std::string_view all = frame;
    const uint32_t header = Crc32c(all.substr(20, size), Crc32c(all.substr(0, 12)));
    const uint32_t body = Crc32c(all.substr(20 + size));
    std::memcpy(frame.data() + 12, &header, 4);
    std::memcpy(frame.data() + 16, &body, 4);
    return frame;
  }
  static uint32_t LoadU32(const std::string& bytes, size_t at) {
    uint32_t n = 0;
    if (bytes.size() >= at + 4) std::memcpy(&n, bytes.data() + at, 4);
    return n;
  }

  KeepPlan plan;
  TempFolder folder;
  std::mt19937_64 dice;
  std::vector<std::string> frames;
  size_t sum = 0;  // of every byte looked at
};

TEST_F(DamageTest, ADamagedSegmentIsNeverTakenForWholeOrGivesOtherFrames) {
  const std::string whole = WriteFile(SegmentWriter::Life::kSegment);
  EXPECT_GE(whole.size(), kFileBytes);
  int told = 0;
  for (int i = 0; i < kDamages; ++i) {
    const std::string bytes = Damage(whole, dice);
    const auto read = Read(bytes, true);
    told += read ? 0 : 1;
    ASSERT_EQ(read.has_value(), bytes == whole) << "damage " << i;
    if (read) {
      ASSERT_EQ(*read, frames);
    }
  }
  std::cout << "segment of " << whole.size() << " bytes: " << told << " of " << kDamages << " damages reported, "
            << kDamages - told << " harmless" << std::endl;
}

TEST_F(DamageTest, ADamagedLogGivesWhatWasWrittenBeforeTheDamage) {
  const std::string whole = WriteFile(SegmentWriter::Life::kLog);
  int told = 0;
  for (int i = 0; i < kDamages; ++i) {
    const auto read = Read(Damage(whole, dice), false);
    told += read && read->size() == frames.size() ? 0 : 1;
    if (!read) continue;
    ASSERT_LE(read->size(), frames.size());
    ASSERT_TRUE(std::equal(read->begin(), read->end(), frames.begin())) << "damage " << i;
  }
  std::cout << "log of " << whole.size() << " bytes: " << told << " of " << kDamages << " damages seen, "
            << kDamages - told << " harmless" << std::endl;
}

TEST_F(DamageTest, AStoreOverDamagedFilesGivesOnlyWhatWasKept) {
  for (int i = 0; i < 150; ++i) {
    TempFolder state;
    CancelToken stop;
    {
      auto store = KeptStore::Open(state.path(), uint64_t{1} << 30);
      ASSERT_TRUE((*store)->Keep(0, frames).ok());
      for (const std::string& frame : frames) {
        ASSERT_TRUE((*store)->Log(1, frame, ReadKeptHeader(frame)->ranges, stop).ok());
      }
    }
    std::vector<std::filesystem::path> files;
    for (const auto& at : std::filesystem::directory_iterator(state / "results")) files.push_back(at.path());
    const std::string victim = files[dice() % files.size()].string();
    WriteAll(victim, Damage(ReadAll(victim), dice));
    auto store = KeptStore::Open(state.path(), uint64_t{1} << 30);
    ASSERT_TRUE(store.ok()) << store.status().message();
    for (const KeptStore::Entry& entry : (*store)->entries()) {
      const auto frame = (*store)->Load(entry.id);
      ASSERT_TRUE(frame.ok());
      ASSERT_NE(std::find(frames.begin(), frames.end(), **frame), frames.end());
    }
  }
}

TEST_F(DamageTest, AFlippedByteInAFrameIsTold) {
  const std::string frame = RandomFrame();
  for (int i = 0; i < kDamages; ++i) {
    const std::string bytes = Damage(frame, dice);
    ASSERT_EQ(Use(bytes).ok(), bytes == frame) << "damage " << i;
  }
}

TEST_F(DamageTest, AFrameWithSoundSumsAndAnyContentIsReadOrRefused) {
  int read = 0;
  for (int i = 0; i < kDamages; ++i) {
    std::string bytes = frames[dice() % frames.size()];
    for (uint64_t damages = 1 + dice() % 3; damages > 0; --damages) {
      if (!bytes.empty()) bytes = Damage(bytes, dice);
    }
    read += Use(Sealed(bytes)).ok() ? 1 : 0;
  }
  std::cout << read << " of " << kDamages << " frames with sums made anew were read" << std::endl;
  EXPECT_GT(read, 0);
  EXPECT_LT(read, kDamages);
}

TEST_F(DamageTest, LengthsThatPromiseTooMuchAreRefusedWithoutMakingRoom) {
  std::string frame = RandomFrame();
  while (frame.size() > 6'000) frame = RandomFrame();
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  for (size_t at = 20; at + 8 <= frame.size(); ++at) {
    for (const uint64_t bomb : {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x7FFFFFF07FFFFFF0), UINT64_C(0xFFFFFFFE)}) {
      std::string bytes = frame;
      std::memcpy(bytes.data() + at, &bomb, bomb == 0xFFFFFFFE ? 4 : 8);
      (void)Use(Sealed(bytes));
    }
  }
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10) << "KiB";
}

TEST_F(DamageTest, RandomBytesAreNoFrame) {
  for (int i = 0; i < kDamages; ++i) {
    std::string bytes(dice() % 400, '\0');
    for (char& c : bytes) c = static_cast<char>(dice());
    EXPECT_FALSE(Use(bytes).ok());
    // Behind a true beginning.
    std::string begun = frames[0].substr(0, 20 + dice() % 300) + bytes;
    (void)Use(Sealed(begun));
  }
}

}  // namespace
}  // namespace anabranch
