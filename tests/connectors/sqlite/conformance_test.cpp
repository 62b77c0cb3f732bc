#include <gtest/gtest.h>

#include <filesystem>

#include "connectors/sqlite/sqlite.h"
#include "engine/sqlite/sqlite.h"
#include "tests/conformance/connector_suite.h"

namespace anabranch {
namespace {

std::vector<int64_t> ReadTable(const std::string& folder) {
  std::vector<int64_t> offsets;
  auto db = SqliteDatabase::Open(folder + "/out.db", SqliteDatabase::Mode::kReadOnly, 1000);
  if (!db.ok()) return offsets;
  auto statement = (*db)->Prepare("SELECT score FROM scores ORDER BY rowid");
  while (statement.ok() && *statement->Step()) offsets.push_back(statement->Integer(0));
  return offsets;
}

INSTANTIATE_TEST_SUITE_P(Sqlite, ConnectorSuite,
                         testing::Values(ConnectorCase{
                             "sqlite", RegisterConnectorSqlite,
                             [] { return ConfigObject({{"path", "out.db"}, {"table", "scores"}}); },
                             [] { return ConfigObject({{"path", "out.db"}, {"table", "sqlite_x"}}); }, ReadTable}));

}  // namespace
}  // namespace anabranch
