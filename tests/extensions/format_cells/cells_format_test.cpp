#include "tests/extensions/format_cells/cells_format.h"

#include <gtest/gtest.h>

#include "tests/conformance/format_suite.h"
#include "tests/conformance/program_registry.h"
#include "topologies/language/check.h"
#include "topologies/language/schema.h"

namespace anabranch {
namespace {

const Registry& Extended() {
  static const Registry* registry = MakeProgramRegistry(RegisterFormatCells);
  return *registry;
}

const Format& CellsRegistered() { return *Extended().FindFormat("cells"); }

std::string CellsPayload(const std::vector<FormatCase::Field>& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    if (!value) {
      text += '-';
      continue;
    }
    std::string cell = *value;
    if (cell[0] == '"') cell = cell.substr(1, cell.size() - 2);
    std::erase(cell, '\\');
    text += std::to_string(cell.size()) + ":" + cell;
  }
  return text;
}

FormatCase Tested() { return {"cells", {}, CellsPayload, {"", "x", "1:a", "9:a", "1:a1:11:1----", "1:\xff----"}}; }

TEST(FormatCells, HasACompleteSpec) { CheckFormatSpec(CellsRegistered()); }
TEST(FormatCells, ReadsBackWhatWasEncoded) { CheckRoundTrip(CellsRegistered(), Tested()); }
TEST(FormatCells, FailsABadPayloadAlone) { CheckBadInput(CellsRegistered(), Tested()); }
TEST(FormatCells, GivesTheSameInEveryBatch) { CheckBatches(CellsRegistered(), Tested()); }

TEST(FormatCells, IsAWordOfTheLanguage) { EXPECT_NE(TopologySchema(Extended()).find("\"cells\""), std::string::npos); }

}  // namespace
}  // namespace anabranch
