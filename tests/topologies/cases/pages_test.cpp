#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/topologies/cases/case_files.h"
#include "topologies/language/render.h"

// The pages for readers are checked against the program: their topologies check clean, what they show is what is
// printed, and what they point to exists.

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

// Models and variables of the pages' topologies: those of the case beside which they are checked.
const char* const kPlace = ANABRANCH_ROOT "/tests/cases/valid/topology_page/topology.json";

std::vector<std::string> Blocks(const std::string& page, const std::string& language) {
  std::vector<std::string> blocks;
  const std::string open = "```" + language + "\n";
  for (size_t at = page.find(open); at != std::string::npos; at = page.find(open, at)) {
    at += open.size();
    const size_t end = page.find("```\n", at);
    blocks.push_back(page.substr(at, end - at));
    at = end + 4;
  }
  return blocks;
}

// Sections with names in them (nodes, sources, …) are added to entry by entry, anything else is replaced.
Json Changed(const Json& topology, const Json& snippet) {
  Json changed = topology;
  for (const auto& [section, value] : snippet.items()) {
    const bool named = section == "connections" || section == "schemas" || section == "models" ||
                       section == "sources" || section == "nodes";
    if (!named) {
      changed[section] = value;
      continue;
    }
    for (const auto& [name, entry] : value.items()) changed[section][name] = entry;
  }
  return changed;
}

TEST(Pages, EverySnippetOfTopologiesMdIsSound) {
  const std::vector<std::string> blocks = Blocks(ReadText(ANABRANCH_ROOT "/docs/topologies.md"), "json");
  ASSERT_GE(blocks.size(), 10u);
  const Json whole = Json::parse(blocks[0]);
  for (const std::string& block : blocks) {
    const std::string text = Changed(whole, Json::parse(block)).dump(2);
    const CheckedTopology checked = CheckTopologyText(kPlace, text, WholeRegistry(), CaseOptions());
    EXPECT_TRUE(checked.faults.empty()) << block << Describe(checked.faults);
  }
}

TEST(Pages, TheReadmeShowsWhatIsPrinted) {
  const std::string page = ReadText(ANABRANCH_ROOT "/README.md");
  const std::vector<std::string> topologies = Blocks(page, "jsonc");
  ASSERT_EQ(topologies.size(), 1u);
  std::string text = topologies[0];
  const CheckedTopology sound = CheckTopologyText(kPlace, text, WholeRegistry(), CaseOptions());
  EXPECT_TRUE(sound.faults.empty()) << Describe(sound.faults);

  const std::string feature = "[\"log_amount\"";
  ASSERT_NE(text.find(feature), std::string::npos);
  text.replace(text.find(feature), feature.size(), "[\"log_amout\"");
  const CheckedTopology misspelt = CheckTopologyText(kPlace, text, WholeRegistry(), CaseOptions());
  ASSERT_EQ(misspelt.faults.size(), 1u) << Describe(misspelt.faults);
  Fault fault = misspelt.faults[0];
  fault.file = "payments.json";
  const std::string printed = RenderText(fault, text, false);
  EXPECT_NE(page.find("```\n" + printed + "```\n"), std::string::npos) << "the README should show\n" << printed;
}

std::vector<std::filesystem::path> PagesForReaders() {
  std::vector<std::filesystem::path> pages = {ANABRANCH_ROOT "/README.md", ANABRANCH_ROOT "/CONTRIBUTING.md"};
  for (const char* folder : {"/docs", "/examples"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(ANABRANCH_ROOT) + folder)) {
      if (entry.path().extension() == ".md") pages.push_back(entry.path());
    }
  }
  return pages;
}

TEST(Pages, LinksAndPathsLeadSomewhere) {
  const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  const std::regex path(R"(`((?:docs|engine|nodes|connectors|topologies|tests|bench|examples)/[A-Za-z0-9_./-]+)`)");
  size_t seen = 0;
  for (const std::filesystem::path& page : PagesForReaders()) {
    const std::string text = ReadText(page.string());
    const auto expect = [&](const std::regex& pattern, const std::filesystem::path& from) {
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at, ++seen) {
        EXPECT_TRUE(std::filesystem::exists(from / (*at)[1].str())) << page << " points to " << (*at)[1].str();
      }
    };
    expect(link, page.parent_path());
    expect(path, ANABRANCH_ROOT);
  }
  EXPECT_GE(seen, 30u);
}

}  // namespace
}  // namespace anabranch
