#include "engine/models/package.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "engine/models/model_store.h"
#include "engine/models/package_manifest.h"
#include "engine/models/package_type.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

void Write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::string Read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void Replace(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = Read(path);
  ASSERT_NE(text.find(from), std::string::npos) << text;
  Write(path, text.replace(text.find(from), from.size(), to));
}

class Packages : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/packages.XXXXXX";
    root_ = mkdtemp(name.data());
    Fill(root_ / "gbt");
    ASSERT_TRUE(PackFolder(root_ / "gbt").ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  // Everything but what packing adds.
  static void Fill(const fs::path& folder) {
    Write(folder / "model.onnx", "weights");
    Write(folder / "features.json", R"({"set": {"half": "amount / 2"}, "order": ["half", "amount"]})");
    Write(folder / "tests/always.jsonl", "{}\n");
    Write(folder / "model.json", R"({"anabranch_package": 1, "name": "gbt", "version": "7", "x-team": "risk",
      "produced": {"library": "xgboost"}, "inputs": {"amount": "float64"}, "features": ["half", "amount"],
      "outputs": {"p": {"type": "tensor<float32>[2]", "classes": ["ok", "fraud"]}},
      "gate": {"always": {"tolerance": 1e-6}, "confidence": {"metric": "auc", "label": "y", "min": 0.8, "max": 0.99}},
      "approval": {"built_by": "ada"}, "limits": {"latency_us_per_row": 50, "memory_bytes": 1000000}})");
  }

  // "code file" of every fault, in order.
  std::string Faults(const fs::path& place) {
    std::vector<PackageFault> faults;
    fs::remove_all(root_ / "scratch");
    fs::create_directory(root_ / "scratch");
    const auto package = ReadPackage(place, root_ / "scratch", &faults);
    EXPECT_EQ(package == nullptr, !faults.empty());
    std::string text;
    for (const PackageFault& fault : faults) text += (text.empty() ? "" : ", ") + fault.code + " " + fault.file;
    return text;
  }

  std::shared_ptr<const ModelPackage> Sound(const fs::path& place) {
    std::vector<PackageFault> faults;
    fs::remove_all(root_ / "scratch");
    fs::create_directory(root_ / "scratch");
    auto package = ReadPackage(place, root_ / "scratch", &faults);
    for (const PackageFault& fault : faults) ADD_FAILURE() << fault.code << " " << fault.file << ": " << fault.message;
    return package;
  }

  fs::path root_;
};

TEST_F(Packages, APackedFolderIsReadAsItWasWritten) {
  const auto package = Sound(root_ / "gbt");
  ASSERT_NE(package, nullptr);
  const PackageManifest& manifest = package->manifest;
  EXPECT_EQ(manifest.name + "@" + manifest.version, "gbt@7");
  EXPECT_EQ(manifest.digest.size(), 64u);
  ASSERT_EQ(manifest.files.size(), 3u);
  EXPECT_EQ(manifest.files[1].path, "model.onnx");
  EXPECT_EQ(manifest.files[1].bytes, 7);
  // printf weights | sha256sum
  EXPECT_EQ(manifest.files[1].sha256, "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c");
  EXPECT_EQ(manifest.outputs[0].classes, (std::vector<std::string>{"ok", "fraud"}));
  EXPECT_EQ(*manifest.confidence->max, 0.99);
  EXPECT_EQ(*manifest.memory_bytes, 1'000'000);
  EXPECT_EQ(manifest.produced, R"({"library":"xgboost"})");
  EXPECT_EQ(package->features.set[0].second, "amount / 2");
  EXPECT_EQ(package->features.order, (std::vector<std::string>{"half", "amount"}));
}

TEST_F(Packages, PackingAgainChangesNoByte) {
  const std::string once = Read(root_ / "gbt/model.json");
  ASSERT_TRUE(PackFolder(root_ / "gbt").ok());
  EXPECT_EQ(Read(root_ / "gbt/model.json"), once);
}

TEST_F(Packages, ALimitIsPartOfTheDigestAndAnApprovalIsNot) {
  Replace(root_ / "gbt/model.json", "\"built_by\": \"ada\"", "\"approved_by\": \"grace\"");
  EXPECT_EQ(Faults(root_ / "gbt"), "");
  Replace(root_ / "gbt/model.json", "\"min\": 0.8", "\"min\": 0.1");
  EXPECT_EQ(Faults(root_ / "gbt"), "digest model.json");
}

TEST_F(Packages, EachDamageHasItsReasonAndNoOther) {
  const fs::path folder = root_ / "damaged";
  const auto damaged = [&](const std::function<void()>& damage) {
    fs::remove_all(folder);
    fs::copy(root_ / "gbt", folder, fs::copy_options::recursive);
    damage();
    return Faults(folder);
  };
  EXPECT_EQ(damaged([&] { Write(folder / "model.onnx", "weightS"); }), "checksum model.onnx");
  EXPECT_EQ(damaged([&] { fs::remove(folder / "tests/always.jsonl"); }), "missing_file tests/always.jsonl");
  EXPECT_EQ(damaged([&] { Write(folder / "extra.txt", ""); }), "unlisted_file extra.txt");
  EXPECT_EQ(damaged([&] { Replace(folder / "model.json", "\"digest\": \"", "\"digest\": \"0"); }), "digest model.json");
  EXPECT_EQ(damaged([&] { fs::create_symlink("/etc/passwd", folder / "card.md"); }), "path card.md");
  EXPECT_EQ(damaged([&] {
              fs::remove(folder / "model.onnx");
              fs::create_symlink(root_ / "gbt/model.onnx", folder / "model.onnx");
            }),
            "path model.onnx, missing_file model.onnx");
  EXPECT_EQ(damaged([&] { Replace(folder / "model.json", "\"tests/always.jsonl\"", "\"../always.jsonl\""); }),
            "path model.json, unlisted_file tests/always.jsonl");
  EXPECT_EQ(damaged([&] { Replace(folder / "model.json", "\"limits\"", "\"limit\""); }), "manifest model.json");
  EXPECT_EQ(damaged([&] { Replace(folder / "model.json", "{", "{\"name\": \"gbt\","); }), "manifest model.json");
  EXPECT_EQ(damaged([&] { fs::remove(folder / "model.json"); }), "missing_file model.json");
  EXPECT_EQ(damaged([&] { fs::remove_all(folder); }), "unreadable ");
}

TEST_F(Packages, AReferenceNamesBinsAndCounts) {
  Write(root_ / "gbt/reference.json",
        R"({"outputs": {"p['fraud']": {"edges": [-1, 0.5, 2e3], "counts": [1, 0, 3, 9]}, "p[0]": {"edges": [0]}}})");
  ASSERT_TRUE(PackFolder(root_ / "gbt").ok());
  const auto package = Sound(root_ / "gbt");
  ASSERT_NE(package, nullptr);
  ASSERT_EQ(package->reference.outputs.size(), 2u);
  EXPECT_EQ(package->reference.outputs[0].selection, "p['fraud']");
  EXPECT_EQ(package->reference.outputs[0].edges, (std::vector<double>{-1, 0.5, 2000}));
  EXPECT_EQ(package->reference.outputs[0].counts, (std::vector<int64_t>{1, 0, 3, 9}));
  EXPECT_EQ(package->reference.outputs[1].edges, (std::vector<double>{0}));
  EXPECT_TRUE(package->reference.outputs[1].counts.empty());
}

TEST_F(Packages, ADamagedReferenceIsAFaultOfItsOwn) {
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"{", ""},  // where the parser stops is its own matter
      {R"({"output": {}})", R"("outputs" is missing)"},
      {R"({"outputs": {}, "more": 1})", R"("more" is not known)"},
      {R"({"outputs": {"p": [0.5]}})", R"("outputs.p" is [0.5], not an object)"},
      {R"({"outputs": {"p": {"counts": [1, 2]}}})", R"("outputs.p.edges" is missing)"},
      {R"({"outputs": {"p": {"edges": []}}})", R"("outputs.p.edges" is [], not a list of 1 to 1000)"},
      {R"({"outputs": {"p": {"edges": [1, 1]}}})", R"("outputs.p.edges" is [1,1])"},
      {R"({"outputs": {"p": {"edges": [1, "2"]}}})", R"("outputs.p.edges" is [1,"2"])"},
      {R"({"outputs": {"p": {"edges": [1e999]}}})", ""},
      {R"({"outputs": {"p": {"edges": [1], "counts": [1, 2, 3]}}})", R"(has 3 numbers, not 2: one for each bin)"},
      {R"({"outputs": {"p": {"edges": [1], "counts": [1, -2]}}})",
       R"("outputs.p.counts" is [1,-2], not a list of whole)"},
      {R"({"outputs": {"p": {"edges": [1], "counts": [1, 2.5]}}})", R"("outputs.p.counts" is [1,2.5])"},
      {R"({"outputs": {"p": {"edges": [1], "counts": [1, 10000000000000000000]}}})", R"("outputs.p.counts" is)"},
      {R"({"outputs": {"p": {"edges": [1], "counts": [1, 9007199254740993]}}})", R"(from 0 to 9007199254740992)"},
      {R"({"outputs": {"p": {"edges": [1]}, "p": {"edges": [1]}}})", R"(the member "p" occurs twice)"},
  };
  for (const auto& [text, message] : damages) {
    Write(root_ / "gbt/reference.json", text);
    const Status packed = PackFolder(root_ / "gbt");
    EXPECT_FALSE(packed.ok()) << text;
    EXPECT_NE(packed.message().find(message), std::string::npos) << text << "\n" << packed.message();
    std::vector<PackageFault> faults;
    ParseReference(text, &faults);
    ASSERT_EQ(faults.size(), message.find("outputs\" is missing") == std::string::npos ? 1u : 2u) << text;
    EXPECT_TRUE(faults[0].code == "reference" && faults[0].file == "reference.json") << text;
  }
}

TEST_F(Packages, TheSameFilesMakeTheSameTar) {
  Fill(root_ / "again");
  ASSERT_TRUE(PackFolder(root_ / "again").ok());
  fs::last_write_time(root_ / "again/model.onnx", fs::file_time_type::clock::now() - std::chrono::hours(9));
  ASSERT_TRUE(WritePackageTar(*Sound(root_ / "gbt"), root_ / "a.tar").ok());
  ASSERT_TRUE(WritePackageTar(*Sound(root_ / "again"), root_ / "b.tar").ok());
  EXPECT_EQ(Read(root_ / "a.tar"), Read(root_ / "b.tar"));
  const auto unpacked = Sound(root_ / "a.tar");
  ASSERT_NE(unpacked, nullptr);
  EXPECT_EQ(unpacked->manifest.digest, Sound(root_ / "gbt")->manifest.digest);
}

TEST_F(Packages, TarsOfOtherProgramsAreRead) {
  for (const char* form : {"ustar", "gnu", "posix"}) {
    const std::string command = "tar --format=" + std::string(form) + " -C " + (root_ / "gbt").string() + " -cf " +
                                (root_ / "other.tar").string() + " .";
    ASSERT_EQ(system(command.c_str()), 0);
    EXPECT_EQ(Faults(root_ / "other.tar"), "") << form;
  }
}

TEST_F(Packages, AFaultyTarHasItsReason) {
  ASSERT_TRUE(WritePackageTar(*Sound(root_ / "gbt"), root_ / "a.tar").ok());
  const std::string whole = Read(root_ / "a.tar");
  for (size_t bytes : {size_t{0}, size_t{100}, size_t{700}, whole.size() - 1024, whole.size() / 2}) {
    Write(root_ / "cut.tar", whole.substr(0, bytes));
    EXPECT_EQ(Faults(root_ / "cut.tar"), "tar ") << bytes;
  }
  fs::create_directory(root_ / "linked");
  fs::create_symlink("/etc/passwd", root_ / "linked/model.json");
  const std::string in = "cd " + (root_ / "linked").string() + " && tar -cf ../a.tar ";
  ASSERT_EQ(system((in + "model.json").c_str()), 0);
  EXPECT_EQ(Faults(root_ / "a.tar"), "path model.json");
  ASSERT_EQ(system((in + "-P ../gbt/model.json").c_str()), 0);
  EXPECT_EQ(Faults(root_ / "a.tar"), "path ../gbt/model.json");
}

TEST_F(Packages, ATarWithoutEndOrPlaceIsRefused) {
  ASSERT_TRUE(WritePackageTar(*Sound(root_ / "gbt"), root_ / "a.tar").ok());
  std::vector<PackageFault> faults;
  EXPECT_EQ(ReadPackage(root_ / "a.tar", "", &faults), nullptr);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, "unreadable");

  // Very many times the header of a link, which has no content.
  fs::create_directory(root_ / "linked");
  fs::create_symlink("/etc/passwd", root_ / "linked/link");
  ASSERT_EQ(
      system(("tar --format=ustar -C " + (root_ / "linked").string() + " -cf " + (root_ / "b.tar").string() + " link")
                 .c_str()),
      0);
  const std::string header = Read(root_ / "b.tar").substr(0, 512);
  std::string tar;
  for (int i = 0; i < 100'000; ++i) tar += header;
  Write(root_ / "b.tar", tar);
  faults.clear();
  fs::create_directory(root_ / "other");
  EXPECT_EQ(ReadPackage(root_ / "b.tar", root_ / "other", &faults), nullptr);
  EXPECT_EQ(faults.size(), 200u);
  EXPECT_NE(faults.back().message.find("39801 more"), std::string::npos) << faults.back().message;
}

TEST_F(Packages, ARegistryIsListedByManifestAlone) {
  ASSERT_TRUE(WritePackageTar(*Sound(root_ / "gbt"), root_ / "a.tar").ok());
  Write(root_ / "gbt/model.onnx", "other");
  Write(root_ / "broken/model.json", "{");
  std::vector<std::string> skipped;
  const auto entries = ListRegistry(root_, &skipped);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].place, root_ / "a.tar");
  EXPECT_EQ((*entries)[1].digest, (*entries)[0].digest);
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_TRUE(skipped[0].starts_with((root_ / "broken").string()));
}

TEST_F(Packages, TheStoreHoldsWhatTheRegistryLost) {
  ModelStore store(root_ / "state");
  const std::string digest = Sound(root_ / "gbt")->manifest.digest;
  EXPECT_EQ(store.Find(digest, root_ / "state").status().code(), Code::kUnavailable);
  ASSERT_TRUE(store.Find(digest, root_).ok());
  fs::remove_all(root_ / "gbt");
  const auto stored = store.Get(digest);
  ASSERT_TRUE(stored.ok()) << stored.status().message();
  EXPECT_EQ((*stored)->folder, root_ / "state/models" / digest);
  EXPECT_EQ(fs::directory_iterator(root_ / "state/models")->path().filename(), digest);

  // A damaged copy is not used, and is replaced.
  Write(fs::path((*stored)->folder) / "model.onnx", "weightS");
  EXPECT_EQ(store.Get(digest).status().code(), Code::kUnavailable);
  Fill(root_ / "gbt");
  ASSERT_TRUE(PackFolder(root_ / "gbt").ok());
  ASSERT_TRUE(store.Put(*Sound(root_ / "gbt")).ok());
  EXPECT_TRUE(store.Get(digest).ok());

  ASSERT_TRUE(store.Keep({digest}).ok());
  EXPECT_TRUE(store.Get(digest).ok());
  ASSERT_TRUE(store.Keep({}).ok());
  EXPECT_TRUE(store.Get(digest).ok()) << "a command that has just stored it has not named it yet";
  fs::last_write_time(root_ / "state/models" / digest, fs::file_time_type::clock::now() - std::chrono::minutes(11));
  ASSERT_TRUE(store.Keep({}).ok());
  EXPECT_EQ(store.Get(digest).status().code(), Code::kUnavailable);
  EXPECT_TRUE(fs::is_empty(root_ / "state/models"));
}

TEST(PackageTypes, AreReadAsTheyAreWritten) {
  for (const Type& type : {Type::Scalar(Kind::kBool), Type::Scalar(Kind::kTimestamp), Type::List(Kind::kString),
                           Type::Tensor(Kind::kFloat32, {8, 8}), Type::Tensor(Kind::kFloat64, {3})}) {
    const auto read = ParseTypeText(type.ToString());
    ASSERT_TRUE(read) << type.ToString();
    EXPECT_EQ(read->ToString(), type.ToString());
  }
  for (const char* text : {"", "float", "list<list>", "list<string>[2]", "tensor<float32>", "tensor<float32>[]",
                           "tensor<float32>[0]", "tensor<float32>[2,]", "tensor<float32>[2", "tensor<float32>[-1,2]",
                           "tensor<float32>[99999999,99999999]", ">float32<"}) {
    EXPECT_FALSE(ParseTypeText(text)) << text;
  }
}

}  // namespace
}  // namespace anabranch
