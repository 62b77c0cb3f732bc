#include "tests/topologies/restart/patched_topology.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/topologies/cases/case_files.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

std::string PageFile() { return CasesRoot() + "/valid/topology_page/topology.json"; }

Json Parse(const std::string& text) { return Json::parse(text, nullptr, true, true); }

}  // namespace

std::string PageTopology() { return ReadText(PageFile()); }

std::string Patched(const std::string& text, const std::string& patch) {
  Json patched = Parse(text);
  patched.merge_patch(Parse(patch));
  return patched.dump(2);
}

std::shared_ptr<const Plan> PlanOf(const std::string& text) {
  const CheckedTopology checked = CheckTopologyText(PageFile(), text, WholeRegistry(), CaseOptions());
  EXPECT_TRUE(checked.ok()) << Describe(checked.faults) << text;
  return checked.plan;
}

}  // namespace anabranch
