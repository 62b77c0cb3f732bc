#include "topologies/operate/ui_assets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace anabranch {
namespace {

std::string FileOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(UiAssets, AreTheFilesOfTheTreeByteForByte) {
  const std::filesystem::path root = std::filesystem::path(ANABRANCH_ROOT) / "topologies" / "ui";
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    const UiAsset* found = FindUiAsset(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_TRUE(found->bytes == FileOf(entry.path())) << name;
    EXPECT_EQ(found->etag.size(), 18U) << found->etag;
  }
  EXPECT_EQ(UiAssets().size(), files);
}

TEST(UiAssets, HaveTheTypeThatABrowserAsksFor) {
  EXPECT_STREQ(FindUiAsset("index.html")->content_type, "text/html; charset=utf-8");
  EXPECT_STREQ(FindUiAsset("vendor/preact.mjs")->content_type, "text/javascript; charset=utf-8");
  EXPECT_STREQ(FindUiAsset("style.css")->content_type, "text/css; charset=utf-8");
  EXPECT_STREQ(FindUiAsset("vendor/LICENSE.htm")->content_type, "text/plain; charset=utf-8");
  EXPECT_STREQ(ContentTypeOf("a.unknown"), "application/octet-stream");
}

TEST(UiAssets, AnUnknownPathHasNone) {
  EXPECT_EQ(FindUiAsset(""), nullptr);
  EXPECT_EQ(FindUiAsset("nothing.js"), nullptr);
  EXPECT_EQ(FindUiAsset("../index.html"), nullptr);
}

TEST(UiAssets, DifferentFilesHaveDifferentTags) {
  EXPECT_NE(FindUiAsset("index.html")->etag, FindUiAsset("style.css")->etag);
}

// The page stays small enough to be read by a person and loaded over a slow line.
TEST(UiAssets, TheScriptsOfThePageAreAtMost100Kilobytes) {
  size_t own = 0;
  for (const UiAsset& asset : UiAssets()) {
    if (asset.path.ends_with(".js") && !asset.path.starts_with("vendor/")) own += asset.bytes.size();
  }
  EXPECT_GT(own, size_t{10} << 10);
  EXPECT_LE(own, size_t{100} << 10);
}

}  // namespace
}  // namespace anabranch
