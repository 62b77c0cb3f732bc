#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "nodes/infer/gate.h"
#include "nodes/infer/version_table.h"
#include "tests/nodes/infer/registry_folder.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

Scoring From(uint32_t generation, int64_t since = 0, uint32_t before = 0) {
  return {GenerationId(generation), since, GenerationId(before)};
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}

constexpr int64_t kLarge = int64_t{33} << 20;  // such models have one session for all nodes

std::string LargeModel(size_t first) {
  std::vector<float> table(kLarge / sizeof(float));
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>((first + i) % 1000);
  return VectorModel(table, 1);
}

// Versions 1 to 3 are tables; a value says which version and which x: 21 is version 2 of x = 1.
class InferVersions : public testing::Test {
 protected:
  void SetUp() override {
    one_ = managed_.registry.Pack("1", TableModel({10, 11, 12, 13}));
    two_ = managed_.registry.Pack("2", TableModel({20, 21, 22, 23}));
    three_ = managed_.registry.Pack("3", TableModel({30, 31, 32, 33}));
    ASSERT_TRUE(managed_.Bind({{"y", "Y"}, {"version", "@version"}, {"generation", "@generation"}}))
        << managed_.runner.FaultText();
  }

  ManagedCase managed_;
  NodeRunner& runner_ = managed_.runner;
  ModelVersion one_, two_, three_;
};

TEST_F(InferVersions, EachRowIsScoredByTheVersionOfItsGeneration) {
  ASSERT_TRUE(managed_.Deploy(5, two_).ok());
  runner_.Fill("x", {0, 99, 2, 3, 0, 99, 2, 3});
  const Status status = managed_.RunFrom(From(6, 4));  // 6 is of another model
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{10.0, nullptr, 12.0, 13.0, 20.0, nullptr, 22.0, 23.0}));
  EXPECT_EQ(runner_.Values("version"), (std::vector<Cell>{"1", nullptr, "1", "1", "2", nullptr, "2", "2"}));
  EXPECT_EQ(runner_.Values("generation"), (std::vector<Cell>{0, nullptr, 0, 0, 5, nullptr, 5, 5}));
  ASSERT_EQ(runner_.errors().size(), 2U);
  EXPECT_TRUE(runner_.errors()[0].row == 1 && runner_.errors()[1].row == 5);
  EXPECT_NE(runner_.ErrorText(5).find("model m@2"), std::string::npos) << runner_.ErrorText(5);
  const StageRows& rows = runner_.batch().stages[1];
  EXPECT_EQ(rows.versions, (std::vector<std::string>{"m@1", "m@2"}));
  EXPECT_EQ(rows.version, (std::vector<uint8_t>{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST_F(InferVersions, PartitionsMayBeOfDifferentGenerations) {
  ASSERT_TRUE(managed_.Deploy(1, two_).ok() && managed_.Deploy(2, three_).ok());
  for (const int32_t partition : {0, 1, 0, 1}) runner_.AddRow({.partition = partition});
  runner_.Fill("x", {0, 1, 2, 3});
  runner_.batch().positions = {{runner_.batch().partition[1], 0, 4, From(1)},
                               {runner_.batch().partition[0], 0, 4, From(2)}};
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{30.0, 21.0, 32.0, 23.0}));
  runner_.batch().positions = {{runner_.batch().partition[1], 0, 4, From(2, 2, 1)}};
  EXPECT_EQ(runner_.Run().code(), Code::kInternal);  // who scores the rows of the other partition?
}

TEST_F(InferVersions, OneGenerationInABatchNamesItsVersionOnce) {
  ASSERT_TRUE(managed_.Deploy(3, two_).ok());
  runner_.Fill("x", {0, 1});
  ASSERT_TRUE(managed_.RunFrom(From(3)).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{20.0, 21.0}));
  const StageRows& rows = runner_.batch().stages[1];
  EXPECT_EQ(rows.versions, (std::vector<std::string>{"m@2"}));
  EXPECT_EQ(rows.version, (std::vector<uint8_t>{0, 0}));
}

TEST_F(InferVersions, ARollbackIsAGenerationOfTheOldDigest) {
  ASSERT_TRUE(managed_.Deploy(1, one_).ok() && managed_.Deploy(2, two_).ok() && managed_.Deploy(7, one_).ok());
  runner_.Fill("x", {0, 1});
  ASSERT_TRUE(managed_.RunFrom(From(7)).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{10.0, 11.0}));
  EXPECT_EQ(runner_.Values("generation"), (std::vector<Cell>{7, 7}));
  EXPECT_TRUE(runner_.batch().stages[1].version.empty());  // it is the one that the file names
}

TEST_F(InferVersions, AVersionThatIsPreparedWhileTheNodeIsOpenScoresTheNextBatch) {
  runner_.Fill("x", {0});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Value("y", 0), Cell(10.0));
  ASSERT_TRUE(managed_.Deploy(1, three_).ok());
  ASSERT_TRUE(managed_.RunFrom(From(1)).ok());
  EXPECT_EQ(runner_.Value("y", 0), Cell(30.0));
}

TEST_F(InferVersions, RowsOfAGenerationThatIsForgottenStopTheStage) {
  ASSERT_TRUE(managed_.Deploy(1, two_).ok() && managed_.Deploy(2, three_).ok());
  managed_.managed().Forget(GenerationId(2), {});
  runner_.Fill("x", {0});
  EXPECT_EQ(managed_.RunFrom(From(1)).code(), Code::kInternal);
  ASSERT_TRUE(managed_.RunFrom(From(2)).ok());
  EXPECT_EQ(runner_.Value("y", 0), Cell(30.0));
}

TEST_F(InferVersions, RowsOfAVersionThatNobodyPreparedStopTheStage) {
  managed_.managed().Add(GenerationId(1), RecordOf(two_));
  runner_.Fill("x", {0});
  const Status status = managed_.RunFrom(From(1));
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_NE(status.message().find("generation 1"), std::string::npos) << status.message();
}

TEST_F(InferVersions, ForgettingKeepsWhatWaitsForItsGeneration) {
  ASSERT_TRUE(managed_.Deploy(1, two_).ok());
  ASSERT_TRUE(managed_.managed().Prepare(three_).ok());
  managed_.managed().Forget(GenerationId(1), {three_.digest});
  managed_.managed().Add(GenerationId(2), RecordOf(three_));
  runner_.Fill("x", {0});
  ASSERT_TRUE(managed_.RunFrom(From(2)).ok());
  EXPECT_EQ(runner_.Value("y", 0), Cell(30.0));
}

TEST_F(InferVersions, APackageThatIsNotTheOneOfTheDigestIsUnavailable) {
  ModelVersion wrong = two_;
  wrong.digest = three_.digest;
  const Status status = managed_.managed().Prepare(wrong);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.message().find(three_.digest.substr(0, 12)), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(two_.folder), std::string::npos) << status.message();
}

TEST_F(InferVersions, AVersionThatDoesNotFitTheNodeIsRefusedWithAllReasons) {
  const ModelVersion wrong =
      managed_.registry.Pack("4", IntegerTableModel(), R"({"set": {"at": "xx + 1"}, "order": ["at"]})");
  const Status status = managed_.managed().Prepare(wrong);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_NE(status.message().find("\"xx + 1\""), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("column \"y\" (Y) would be int64; m@1 makes it as float32"), std::string::npos)
      << status.message();
  EXPECT_NE(status.message().find('\n'), std::string::npos) << status.message();
}

TEST_F(InferVersions, AVersionWithOtherFeaturesScoresTheSameRows) {
  const ModelVersion other = managed_.registry.Pack("4", TableModel({40, 41, 42, 43}),
                                                    R"({"set": {"mirrored": "3 - x"}, "order": ["mirrored"]})");
  ASSERT_TRUE(managed_.Deploy(1, other).ok());
  runner_.Fill("x", {0, 1, 2, 3});
  ASSERT_TRUE(managed_.RunFrom(From(1, 2)).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{10.0, 11.0, 41.0, 40.0}));
}

TEST(InferShownFeatures, EachVersionShowsItsOwn) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "x + 1"}, "order": ["at"]})");
  const ModelVersion two = managed.registry.Pack("2", LookupModel(), R"({"set": {"at": "x - 1"}, "order": ["at"]})");
  const ModelVersion none = managed.registry.Pack("3", LookupModel());
  const ModelVersion wrong = managed.registry.Pack("4", LookupModel(), R"({"set": {"at": "x / 2"}, "order": ["x"]})");
  ASSERT_TRUE(managed.Bind({{"y", "Y"}, {"at", "@feature.at"}})) << managed.runner.FaultText();
  ASSERT_TRUE(managed.Deploy(1, two).ok());
  managed.runner.Fill("x", {1, 1});
  ASSERT_TRUE(managed.RunFrom(From(1, 1)).ok());
  EXPECT_EQ(managed.runner.Values("at"), (std::vector<Cell>{2, 0}));
  EXPECT_NE(managed.managed().Prepare(none).message().find("makes no feature \"at\""), std::string::npos);
  EXPECT_NE(managed.managed().Prepare(wrong).message().find("would be float64; m@1 makes it as int64"),
            std::string::npos);
}

TEST_F(InferVersions, VersionsComeAndGoWhileRowsAreScored) {
  constexpr uint32_t kSwaps = 24;
  runner_.Fill("x", {0, 1, 2, 3});
  ASSERT_TRUE(runner_.Run().ok());
  std::atomic<uint32_t> generation{0};
  std::atomic<bool> done{false};
  std::thread agent([&] {
    int64_t early = 0;
    for (uint32_t next = 1; next <= kSwaps; ++next) {
      const ModelVersion& version = next % 3 == 0 ? one_ : next % 3 == 1 ? two_ : three_;
      EXPECT_TRUE(managed_.Deploy(next, version).ok());
      generation = next;
      managed_.managed().Forget(GenerationId(next > 1 ? next - 1 : 0), {});
      if (next == 5) early = ResidentBytes();
    }
    EXPECT_LE(ResidentBytes(), early * 1.1);
    done = true;
  });
  uint64_t batches = 0;
  for (; !done; ++batches) {
    const uint32_t now = generation;
    const Status status = managed_.RunFrom(now == 0 ? From(0) : From(now, 2, now - 1));
    if (!status.ok()) {  // the agent forgot what this batch needed
      ASSERT_NE(generation, now) << status.message();
      continue;
    }
    for (uint32_t row = 0; row < 4; ++row) {
      const double base = 10.0 * std::stoi(std::get<std::string>(runner_.Value("version", row).value));
      ASSERT_EQ(runner_.Value("y", row), Cell(base + row));
      const uint32_t expected = now == 0 ? 0 : row < 2 ? now - 1 : now;
      ASSERT_EQ(runner_.Value("generation", row), Cell(static_cast<int64_t>(expected)));
    }
  }
  agent.join();
  EXPECT_GT(batches, kSwaps);
}

TEST(InferClasses, ClassesInAnotherOrderAreAligned) {
  constexpr const char* kClasses = R"({"Y": {"type": "float32", "classes": ["a", "b", "c"]}})";
  constexpr const char* kOther = R"({"Y": {"type": "float32", "classes": ["c", "a", "b"]}})";
  constexpr const char* kLess = R"({"Y": {"type": "float32", "classes": ["c", "a", "d"]}})";
  const std::string features = R"({"order": ["x"]})";
  ManagedCase managed;
  managed.registry.Pack("1", VectorModel({1, 2, 3, 4, 5, 6}, 3), features, kClasses);
  const ModelVersion other = managed.registry.Pack("2", VectorModel({30, 10, 20, 60, 40, 50}, 3), features, kOther);
  const ModelVersion less = managed.registry.Pack("3", VectorModel({3, 1, 2, 6, 4, 5}, 3), features, kLess);
  const ModelVersion none = managed.registry.Pack("4", VectorModel({3, 1, 2, 6, 4, 5}, 3), features);
  ASSERT_TRUE(managed.Bind({{"p", "Y"}, {"second", "Y[1]"}, {"c", "Y['c']"}})) << managed.runner.FaultText();
  ASSERT_TRUE(managed.Deploy(1, other).ok());
  managed.runner.Fill("x", {0, 1, 0, 1});
  ASSERT_TRUE(managed.RunFrom(From(1, 2)).ok());
  const auto row = [](double a, double b, double c) { return Cell(std::vector<Cell>{a, b, c}); };
  EXPECT_EQ(managed.runner.Values("p"),
            (std::vector<Cell>{row(1, 2, 3), row(4, 5, 6), row(10, 20, 30), row(40, 50, 60)}));
  EXPECT_EQ(managed.runner.Values("second"), (std::vector<Cell>{2.0, 5.0, 20.0, 50.0}));
  EXPECT_EQ(managed.runner.Values("c"), (std::vector<Cell>{3.0, 6.0, 30.0, 60.0}));
  EXPECT_NE(managed.managed().Prepare(less).message().find(R"(has the classes "c", "a", "d"; m@1 has "a", "b", "c")"),
            std::string::npos);
  EXPECT_NE(managed.managed().Prepare(none).message().find("does not name its classes"), std::string::npos);
}

// The allocators of sanitizers keep what was freed: the memory of the process says nothing there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFreedMemoryStays = true;
#else
constexpr bool kFreedMemoryStays = false;
#endif

TEST(InferSessions, LargeModelsAreUnloadedOnceNoGenerationUsesThem) {
  if (kFreedMemoryStays) GTEST_SKIP() << "with a sanitizer freed memory stays";
  ManagedCase managed;
  managed.registry.Pack("1", LargeModel(0));
  const ModelVersion two = managed.registry.Pack("2", LargeModel(100));
  const ModelVersion small = managed.registry.Pack("3", VectorModel({7, 8, 9}, 1));
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {2});
  ASSERT_TRUE(managed.RunFrom(From(0)).ok());
  const int64_t start = ResidentBytes();
  ASSERT_TRUE(managed.Deploy(1, two).ok());
  ASSERT_TRUE(managed.RunFrom(From(1)).ok());
  EXPECT_EQ(managed.runner.Value("y", 0), Cell(102.0));
  managed.managed().Forget(GenerationId(1), {});  // the session of the first one goes, the second one is there
  EXPECT_LT(ResidentBytes() - start, kLarge * 5 / 4);
  ASSERT_TRUE(managed.Deploy(2, small).ok());
  ASSERT_TRUE(managed.RunFrom(From(2)).ok());
  EXPECT_EQ(managed.runner.Value("y", 0), Cell(9.0));
  managed.managed().Forget(GenerationId(2), {});
  EXPECT_LT(ResidentBytes() - start, -kLarge * 3 / 4);
  const int64_t least = ResidentBytes();
  ASSERT_TRUE(managed.managed().Prepare(two).ok());  // of a deployment that is abandoned
  EXPECT_GT(ResidentBytes() - least, kLarge);
  managed.managed().Forget(GenerationId(2), {small.digest});
  EXPECT_LT(ResidentBytes() - least, kLarge / 4);
}

TEST(InferSessions, ANodeThatIsBusyUnloadsAfterItsBatch) {
  const auto version = [] { return std::make_shared<BoundVersion>("", std::make_shared<InferPlan>()); };
  VersionShelf shelf;
  const auto kept = version();
  std::weak_ptr<BoundVersion> late;
  {
    const auto given_up = version();
    late = given_up;
    shelf.SetTable(std::make_shared<VersionTable>(VersionTable{{{GenerationId(0), {kept}}}}));
    shelf.Put({kept, nullptr});
    shelf.Put({given_up, nullptr});
  }
  shelf.BeginBatch();
  EXPECT_TRUE(shelf.TakeBack({kept}).empty());  // waits, and goes
  EXPECT_FALSE(late.expired());
  shelf.EndBatch();
  EXPECT_TRUE(late.expired());
}

TEST(InferInPlace, OneVersionIsInMemoryAtATimeAndItsFileWhileItIsLoaded) {
  if (kFreedMemoryStays) GTEST_SKIP() << "with a sanitizer freed memory stays";
  ManagedCase managed;
  managed.runner.SetSection("models", "m", ConfigObject({{"registry", "."}, {"start", "1"}, {"swap", "in_place"}}));
  const ModelVersion one = managed.registry.Pack("1", LargeModel(0)), two = managed.registry.Pack("2", LargeModel(5));
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  ASSERT_TRUE(managed.managed().in_place());
  ASSERT_TRUE(managed.Deploy(1, one).ok());
  managed.runner.Fill("x", {7, 2011});
  ASSERT_TRUE(managed.RunFrom(From(1)).ok());
  const int64_t before = ResidentBytes();
  uint32_t generation = 1;
  for (const ModelVersion* version : {&two, &one, &two}) {
    managed.managed().Unload();
    EXPECT_LT(ResidentBytes(), before - kLarge / 2);
    EXPECT_EQ(managed.RunFrom(From(generation)).code(), Code::kInternal) << "it is unloaded";
    const Status deployed = managed.Deploy(++generation, *version);
    ASSERT_TRUE(deployed.ok()) << deployed.message();
    ASSERT_TRUE(managed.RunFrom(From(generation)).ok());
    EXPECT_LT(ResidentBytes(), before + kLarge / 2);
    EXPECT_EQ(managed.runner.Values("y"),
              version == &two ? (std::vector<Cell>{12.0, 16.0}) : (std::vector<Cell>{7.0, 11.0}));
  }
}

TEST(InferSessions, TheMemoryOfAModelIsThatOfItsFileAndOneSession) {
  if (kFreedMemoryStays) GTEST_SKIP() << "with a sanitizer freed memory stays";
  RegistryFolder registry;
  std::filesystem::create_directories(registry.path() + "/m-1/tests");
  std::ofstream(registry.path() + "/m-1/tests/always.jsonl") << R"({"inputs": {"x": 2}, "expect": {"Y": 2}})" << "\n";
  const ModelVersion version = registry.Pack("1", LargeModel(0));
  std::vector<PackageFault> faults;
  const auto package = ReadPackage(version.folder, "", &faults);
  ASSERT_NE(package, nullptr);
  std::map<std::string, std::string> measured;
  for (const PackageFault& fault : RunGates(*package, &measured)) ADD_FAILURE() << fault.code << ": " << fault.message;
  EXPECT_LT(std::stoll(measured["memory_bytes"]), kLarge * 5 / 2);
}

TEST(InferSessions, OpenNodesShareTheSessionOfALargeModel) {
  ManagedCase managed;
  managed.registry.Pack("1", LargeModel(0));
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {7, 2011});
  ASSERT_TRUE(managed.runner.Run().ok());
  const int64_t one = ResidentBytes();
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 3; ++i) {
    auto node = managed.runner.program()->Open();
    ASSERT_TRUE(node.ok()) << node.status().message();
    nodes.push_back(std::move(node).value());
  }
  EXPECT_LT(ResidentBytes() - one, int64_t{16} << 20);
  nodes.resize(1);  // those that go leave the session to the others
  RecordBatch& batch = managed.runner.batch();
  ASSERT_TRUE(nodes[0]->Process({batch, 1, batch.stages[1].active, batch.rows(), INT64_MAX}).ok());
  EXPECT_EQ(managed.runner.Values("y"), (std::vector<Cell>{7.0, 11.0}));
}

}  // namespace
}  // namespace anabranch
