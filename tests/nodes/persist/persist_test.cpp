#include "nodes/persist/persist.h"

#include <gtest/gtest.h>

#include "engine/testing/node_runner.h"

namespace anabranch {
namespace {

class NamedTarget : public TargetProgram {
 public:
  std::string commit_unit() const override { return "test"; }
  std::string connector() const override { return "test"; }
  bool ExactlyOnce(const SourceProgram&, std::string*) const override { return true; }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity&) const override { return nullptr; }
  std::string Describe() const override { return "test target"; }
};

class PersistTest : public testing::Test {
 protected:
  void SetUp() override {
    runner_.SetNodeId("out");
    runner_.SetTargetBinder([this](const ConfigValue& to, const TargetFields& fields, FaultSink&) {
      to_ = to.children.empty() ? "" : to.children[0].name;
      node_id_ = fields.node_id;
      envelope_ = fields.envelope;
      for (const TargetFields::Field& field : fields.fields)
        written_.push_back(field.name + "=" + Column(field.column));
      return target_;
    });
  }
  void AddColumns() {
    Add("amount", Type::Scalar(Kind::kFloat64), false);
    Add("score", Type::Scalar(Kind::kFloat32), true);
    Add("label", Type::Scalar(Kind::kString), true);
  }
  void Add(const std::string& name, const Type& type, bool result) {
    const ColumnId id = runner_.AddColumn(name, type, true, result);
    if (columns_.size() <= id) columns_.resize(id + 1);
    columns_[id] = name;
  }
  std::string Column(ColumnId id) const { return id < columns_.size() ? columns_[id] : "?"; }

  bool Bind(std::initializer_list<ConfigMember> extra) {
    ConfigValue config = ConfigObject({{"kind", "persist"}, {"to", ConfigObject({{"test", ConfigObject({})}})}});
    for (const ConfigMember& member : extra) {
      config.children.push_back(member.second.value);
      config.children.back().name = member.first;
    }
    return runner_.Bind(RegisterNodePersist, std::move(config));
  }
  using Names = std::vector<std::string>;

  NodeRunner runner_;
  std::vector<std::string> columns_;
  std::shared_ptr<const TargetProgram> target_ = std::make_shared<NamedTarget>();
  std::string to_, node_id_, envelope_;
  Names written_;
};

TEST_F(PersistTest, WritesTheResultsAboveByDefault) {
  AddColumns();
  ASSERT_TRUE(Bind({})) << runner_.FaultText();
  EXPECT_EQ(written_, (Names{"score=score", "label=label"}));
  EXPECT_EQ(runner_.reads(), (Names{"label", "score"}));
  EXPECT_EQ(to_, "test");
  EXPECT_EQ(node_id_, "out");
  EXPECT_EQ(runner_.program()->target(), target_);
  EXPECT_EQ(runner_.program()->Facts().at("target"), "test target");
}

TEST_F(PersistTest, ListChoosesTheFieldsInItsOrder) {
  AddColumns();
  ASSERT_TRUE(Bind({{"fields", ConfigList({"label", "amount"})}})) << runner_.FaultText();
  EXPECT_EQ(written_, (Names{"label=label", "amount=amount"}));
  EXPECT_EQ(runner_.reads(), (Names{"amount", "label"}));
}

TEST_F(PersistTest, ObjectWritesColumnsUnderOtherNames) {
  AddColumns();
  ASSERT_TRUE(Bind({{"fields", ConfigObject({{"p", "score"}, {"p2", "score"}})}}));
  EXPECT_EQ(written_, (Names{"p=score", "p2=score"}));
}

TEST_F(PersistTest, StarWritesEveryVisibleColumn) {
  AddColumns();
  ASSERT_TRUE(Bind({{"fields", "*"}})) << runner_.FaultText();
  EXPECT_EQ(written_, (Names{"amount=amount", "score=score", "label=label"}));
}

TEST_F(PersistTest, UnknownAndRepeatedFieldsAreFaults) {
  AddColumns();
  EXPECT_FALSE(Bind({{"fields", ConfigList({"scoer", "label", "label"})}}));
  ASSERT_EQ(runner_.faults().size(), 2u) << runner_.FaultText();
  EXPECT_EQ(runner_.faults()[0].code, FaultCode::kUnknownColumn);
  EXPECT_NE(runner_.FaultText().find("\"label\" is written twice"), std::string::npos) << runner_.FaultText();
}

TEST_F(PersistTest, NothingToWriteIsAFaultThatNamesTheColumns) {
  Add("amount", Type::Scalar(Kind::kFloat64), false);
  EXPECT_FALSE(Bind({}));
  ASSERT_EQ(runner_.faults().size(), 1u);
  EXPECT_NE(runner_.faults()[0].hint.find("\"fields\""), std::string::npos);
  EXPECT_NE(runner_.faults()[0].hint.find("amount"), std::string::npos);
}

TEST_F(PersistTest, SourceWithoutSchemaHasNoFieldsToWrite) {
  EXPECT_FALSE(Bind({}));
  ASSERT_EQ(runner_.faults().size(), 1u);
  EXPECT_NE(runner_.faults()[0].hint.find("\"envelope\": \"raw\""), std::string::npos);
}

TEST_F(PersistTest, SourceWithoutSchemaIsWrittenRaw) {
  ASSERT_TRUE(Bind({{"envelope", "raw"}})) << runner_.FaultText();
  EXPECT_EQ(envelope_, "raw");
  EXPECT_TRUE(written_.empty());
}

TEST_F(PersistTest, RawTakesNoFields) {
  AddColumns();
  EXPECT_FALSE(Bind({{"envelope", "raw"}, {"fields", ConfigList({"score"})}}));
  ASSERT_EQ(runner_.faults().size(), 1u) << runner_.FaultText();
  EXPECT_EQ(runner_.faults()[0].pointer, "/fields");
}

TEST_F(PersistTest, FaultyTargetMakesNoProgram) {
  AddColumns();
  runner_.SetTargetBinder([](const ConfigValue& to, const TargetFields&, FaultSink& faults) {
    faults.Add(FaultCode::kBadValue, to, "no such target");
    return nullptr;
  });
  EXPECT_FALSE(Bind({}));
}

TEST_F(PersistTest, RowsPassUntouched) {
  AddColumns();
  ASSERT_TRUE(Bind({}));
  runner_.Fill("score", {0.5, nullptr});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.outcome(0), Outcome::kOk);
  EXPECT_EQ(runner_.Value("score", 0), Cell(0.5));
}

}  // namespace
}  // namespace anabranch
