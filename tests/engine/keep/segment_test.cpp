#include "engine/keep/segment.h"

#include "engine/keep/crc32c.h"
#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

using Life = SegmentWriter::Life;

void Write(const std::string& path, Life life, const std::vector<std::string>& frames) {
  auto writer = SegmentWriter::Create(path, life);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  for (const std::string& frame : frames) ASSERT_TRUE((*writer)->Append(frame).ok());
  ASSERT_TRUE((life == Life::kSegment ? (*writer)->Finish() : (*writer)->Sync()).ok());
  EXPECT_EQ((*writer)->bytes(), std::filesystem::file_size(path));
}

std::vector<std::string> Frames(const SegmentReader& reader) {
  std::vector<std::string> frames;
  for (size_t i = 0; i < reader.frames(); ++i) {
    auto frame = reader.Read(i);
    EXPECT_TRUE(frame.ok()) << frame.status().message();
    if (frame.ok()) frames.push_back(std::move(frame).value());
  }
  return frames;
}

TEST(Crc32cTest, GivesTheSumsOfThePublishedVectors) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), 0xE3069283u);
}

TEST(SegmentTest, GivesTheFramesThatWereAppendedInBothLives) {
  const std::vector<std::string> frames = {"one", "", std::string(3'000'000, 'x'), "last"};
  TempFolder folder;
  for (const Life life : {Life::kSegment, Life::kLog}) {
    const std::string path = folder / (life == Life::kLog ? "a.log" : "a.seg");
    Write(path, life, frames);
    auto reader = SegmentReader::Open(path);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    EXPECT_EQ((*reader)->finished(), life == Life::kSegment);
    EXPECT_EQ(Frames(**reader), frames);
    EXPECT_EQ(*(*reader)->ReadStart(2, 5), "xxxxx");
  }
}

TEST(SegmentTest, AnUnfinishedSegmentLeavesNothing) {
  TempFolder folder;
  {
    auto writer = SegmentWriter::Create(folder / "a.seg", Life::kSegment);
    ASSERT_TRUE((*writer)->Append("one").ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SegmentTest, NothingIsOverwritten) {
  TempFolder folder;
  WriteAll(folder / "a.seg", "precious");
  const auto writer = SegmentWriter::Create(folder / "a.seg", Life::kSegment);
  ASSERT_EQ(writer.status().code(), Code::kUnavailable);
  EXPECT_NE(writer.status().message().find("a.seg"), std::string::npos);
  EXPECT_EQ(ReadAll(folder / "a.seg"), "precious");
}

TEST(SegmentTest, ALogCutAtAnyByteGivesTheWholeFramesBeforeTheCut) {
  const std::vector<std::string> frames = {"one", "two two", "", "four"};
  TempFolder folder;
  Write(folder / "whole.log", Life::kLog, frames);
  const std::string whole = ReadAll(folder / "whole.log");
  std::vector<size_t> ends;  // where each frame is whole
  size_t end = 16;
  for (const std::string& frame : frames) ends.push_back(end += 8 + frame.size());
  ASSERT_EQ(end, whole.size());
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    WriteAll(folder / "cut.log", whole.substr(0, cut));
    auto reader = SegmentReader::Open(folder / "cut.log");
    ASSERT_TRUE(reader.ok()) << cut << ": " << reader.status().message();
    EXPECT_FALSE((*reader)->finished());
    const auto expected =
        static_cast<size_t>(std::count_if(ends.begin(), ends.end(), [&](size_t e) { return e <= cut; }));
    EXPECT_EQ(Frames(**reader),
              std::vector<std::string>(frames.begin(), frames.begin() + static_cast<int64_t>(expected)))
        << "cut at " << cut;
  }
}

TEST(SegmentTest, ASegmentCutOrGrownAtAnyByteIsNoSegment) {
  TempFolder folder;
  Write(folder / "whole.seg", Life::kSegment, {"one", "two two", "", "four"});
  const std::string whole = ReadAll(folder / "whole.seg");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    WriteAll(folder / "cut.seg", whole.substr(0, cut));
    auto reader = SegmentReader::Open(folder / "cut.seg");
    EXPECT_TRUE(reader.status().code() == Code::kInvalid || (cut < 8 && !(*reader)->finished())) << "cut at " << cut;
  }
  WriteAll(folder / "grown.seg", whole + '\0');
  EXPECT_EQ(SegmentReader::Open(folder / "grown.seg").status().code(), Code::kInvalid);
}

TEST(SegmentTest, ANewerVersionIsNamed) {
  TempFolder folder;
  Write(folder / "a.seg", Life::kSegment, {"one"});
  std::string bytes = ReadAll(folder / "a.seg");
  bytes[8] = 2;
  const uint32_t crc = Crc32c(std::string_view(bytes).substr(0, 12));
  bytes.replace(12, 4, reinterpret_cast<const char*>(&crc), 4);
  WriteAll(folder / "a.seg", bytes);
  const auto reader = SegmentReader::Open(folder / "a.seg");
  ASSERT_EQ(reader.status().code(), Code::kInvalid);
  EXPECT_NE(reader.status().message().find("version 2"), std::string::npos) << reader.status().message();
}

}  // namespace
}  // namespace anabranch
