#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

Status Pass(const NodeRun&) { return Status::Ok(); }

struct RandomText {
  std::mt19937_64& random;
  std::string operator()(size_t longest) const {
    std::string text(random() % (longest + 1), '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  }
};

Cell RandomValue(Kind kind, std::mt19937_64& random) {
  switch (kind) {
    case Kind::kBool: return random() % 2 == 0;
    case Kind::kFloat32: return static_cast<double>(static_cast<float>(static_cast<double>(random()) * 1e-9));
    case Kind::kFloat64: return random() % 9 == 0 ? std::nan("") : static_cast<double>(random()) * 1e-9;
    case Kind::kString: return RandomText{random}(20);
    default: return static_cast<int64_t>(random());
  }
}

Cell RandomCell(const Type& type, std::mt19937_64& random) {
  if (type.IsScalar()) return RandomValue(type.kind, random);
  const auto count = type.kind == Kind::kList ? random() % 5 : static_cast<uint64_t>(type.Elements());
  std::vector<Cell> items;
  for (uint64_t i = 0; i < count; ++i) items.push_back(RandomValue(type.element, random));
  return items;
}

void FillRandomColumn(Column* column, const Type& type, uint32_t rows, std::mt19937_64& random, Arena& text) {
  static constexpr uint8_t kStates[] = {
      kNull, kMissing, kWrongType, kOutOfRange, kMissingRequired | (3 << 4), kMissingRequired | (15 << 4)};
  std::vector<Cell> cells;
  for (uint32_t row = 0; row < rows; ++row) cells.push_back(random() % 3 == 0 ? Cell() : RandomCell(type, random));
  FillColumn(column, type, cells);
  for (uint32_t row = 0; row < rows; ++row) {
    if (!cells[row].is_null()) continue;
    const uint8_t state = kStates[random() % std::size(kStates)];
    column->states()[row] = state;
    if (state == kWrongType || state == kOutOfRange) column->NoteMisfit(row, text.Copy(RandomText{random}(12) + "!"));
  }
}

void FillRandomStage(StageRows* stage, std::mt19937_64& random) {
  stage->active_count = 0;
  for (uint32_t row = 0; row < stage->outcome.size(); ++row) {
    stage->outcome[row] = static_cast<Outcome>(random() % 6);
    stage->active[row] = random() % 2 == 0 ? 1 : 0;
    stage->active_count += stage->active[row];
    const bool failed = stage->outcome[row] == Outcome::kFailed || stage->outcome[row] == Outcome::kTimedOut;
    if (failed) stage->errors.push_back({row, "model", "row " + std::to_string(random())});
  }
  stage->done = true;
}

void EncodeRandom(const RecordBatch& batch, std::mt19937_64& random, EncodedRows* out) {
  const auto append = [&](std::string_view text) {
    const auto at = static_cast<uint32_t>(out->bytes.size());
    out->bytes += text;
    return at;
  };
  for (uint32_t r = 0; r < batch.rows(); ++r) {
    EncodedRows::Row row;
    row.partition = batch.partition[r];
    row.offset = batch.offset[r];
    row.timestamp_ms = batch.timestamp_ms[r];
    const std::string value = RandomText{random}(30);
    row.value = append(value);
    if (random() % 4 != 0) row.value_size = static_cast<uint32_t>(value.size());
    row.key = append(batch.key[r]);
    if (batch.key_present[r]) row.key_size = static_cast<uint32_t>(batch.key[r].size());
    row.headers = static_cast<uint32_t>(out->bytes.size());
    for (uint64_t i = random() % 3; i > 0; --i) {
      out->AppendHeader("h" + std::to_string(i), random() % 2 == 0 ? std::string_view() : std::string_view("v"));
    }
    row.headers_size = static_cast<uint32_t>(out->bytes.size()) - row.headers;
    out->rows.push_back(row);
  }
}

}  // namespace

KeepPlan::KeepPlan() {
  in = builder.Source(std::make_shared<MemoryInput>());
  builder.plan().sources[0].fingerprint = "fp-in0";
  a = builder.Node("a", {in}, Pass);
  out = builder.Persist("out", {in}, std::make_shared<MemoryOutput>());
  b = builder.Node("b", {a}, Pass);
  late = builder.Persist("late", {b}, std::make_shared<MemoryOutput>());
  static const Type kTypes[] = {Type::Scalar(Kind::kBool),
                                Type::Scalar(Kind::kInt64),
                                Type::Scalar(Kind::kFloat32),
                                Type::Scalar(Kind::kFloat64),
                                Type::Scalar(Kind::kString),
                                Type::Scalar(Kind::kTimestamp),
                                Type::List(Kind::kBool),
                                Type::List(Kind::kInt64),
                                Type::List(Kind::kString),
                                Type::List(Kind::kFloat32),
                                Type::Tensor(Kind::kFloat32, {2, 3}),
                                Type::Tensor(Kind::kInt64, {4}),
                                Type::Tensor(Kind::kBool, {3}),
                                Type::Tensor(Kind::kString, {2})};
  for (const Type& type : kTypes) {
    source_columns.push_back(Column("s_" + type.ToString(), type, "in0"));
    a_columns.push_back(Column("a_" + type.ToString(), type, "a"));
  }
  Column("unread", Type::Scalar(Kind::kInt64), "in0");
  const ColumnId private_to_a = Column("only_a", Type::Scalar(Kind::kInt64), "in0");
  builder.node(a).reads = {private_to_a};
  builder.node(a).makes = a_columns;
  builder.node(b).reads = source_columns;
  builder.node(b).reads.insert(builder.node(b).reads.end(), a_columns.begin(), a_columns.end());
  builder.node(b).makes = {Column("result", Type::Scalar(Kind::kFloat64), "b")};
  builder.node(late).reads = builder.node(b).makes;
  for (const StageId stage : {a, b, out, late}) builder.node(stage).closure = "fp-" + builder.node(stage).id;
  plan = &builder.Build();
}

ColumnId KeepPlan::Column(const std::string& name, Type type, const std::string& maker) {
  builder.plan().columns.push_back({name, std::move(type), maker});
  return ColumnId(builder.plan().columns.size() - 1);
}

std::vector<bool> KeepPlan::Done(std::initializer_list<StageId> stages) const {
  std::vector<bool> done(plan->stages(), false);
  for (const StageId stage : stages) done[stage] = true;
  return done;
}

RestoreRules KeepPlan::ReuseAll() const {
  RestoreRules rules;
  for (StageId stage = 0; stage < plan->stages(); ++stage) rules.reuse[plan->StageName(stage)] = plan->StageName(stage);
  return rules;
}

void FillRandomBatch(const KeepPlan& plan, std::mt19937_64& random, uint32_t rows, SourceTable& partitions,
                     size_t partition_count, RecordBatch* batch) {
  batch->Clear(plan.plan->columns.size(), plan.plan->stages());
  batch->source = plan.in;
  batch->sequence = random();
  batch->partitions = &partitions;
  const RandomText text{random};
  std::vector<int64_t> next;
  for (size_t i = 0; i < partition_count; ++i) {
    next.push_back(static_cast<int64_t>(random() % 1000));
    batch->positions.push_back({*partitions.Find({"topic", static_cast<int32_t>(i)}), next.back(), 0});
  }
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint64_t i = random() % 3; i > 0; --i) {
      const std::string_view value = random() % 3 == 0 ? std::string_view() : batch->text.Copy(text(9));
      batch->headers.push_back({batch->text.Copy(text(5)), value});
    }
    const size_t from = random() % partition_count;
    const bool has_key = random() % 4 != 0;
    batch->AddRow(batch->positions[from].partition, next[from]++, static_cast<int64_t>(random() % 5000) - 1,
                  has_key ? batch->text.Copy(text(6)) : std::string_view(), has_key, batch->text.Copy(text(40)));
    if (random() % 8 == 0) batch->source_errors.push_back({row, "envelope", text(10)});
  }
  for (size_t i = 0; i < partition_count; ++i) batch->positions[i].next = next[i];
  batch->record_key = batch->key;
  batch->record_key_present = batch->key_present;
  for (uint32_t row = 0; row < rows; ++row) {
    if (random() % 3 != 0) continue;
    batch->key[row] = batch->text.Copy("made " + text(4));
    batch->key_present[row] = 1;
  }
  for (StageRows& stage : batch->stages) stage = {};
  batch->PrepareStages();
  for (const StageId stage : {plan.in, plan.a, plan.out}) FillRandomStage(&batch->stages[stage], random);
  for (const auto* columns : {&plan.source_columns, &plan.a_columns}) {
    for (const ColumnId id : *columns) {
      FillRandomColumn(&batch->columns[id], plan.plan->columns[id].type, rows, random, batch->text);
    }
  }
  batch->encoded.Clear(plan.plan->targets.size());
  batch->encoded.positions = batch->positions;
  EncodeRandom(*batch, random, &batch->encoded.targets[plan.plan->node(plan.out).target]);
}

void ExpectSameRow(const RecordBatch& got, uint32_t row, const RecordBatch& want, uint32_t want_row) {
  EXPECT_EQ(got.partitions->at(got.partition[row]), want.partitions->at(want.partition[want_row]));
  EXPECT_EQ(got.offset[row], want.offset[want_row]);
  EXPECT_EQ(got.timestamp_ms[row], want.timestamp_ms[want_row]);
  EXPECT_EQ(got.payload[row], want.payload[want_row]);
  const auto headers = got.row_headers(row), wanted = want.row_headers(want_row);
  ASSERT_EQ(headers.size(), wanted.size());
  for (size_t i = 0; i < headers.size(); ++i) {
    EXPECT_EQ(headers[i].name, wanted[i].name);
    EXPECT_EQ(headers[i].value, wanted[i].value);
    EXPECT_EQ(headers[i].value.data() == nullptr, wanted[i].value.data() == nullptr);
  }
}

void ExpectSameResults(const KeepPlan& plan, const RecordBatch& got, uint32_t row, const RecordBatch& want,
                       uint32_t want_row) {
  ExpectSameRow(got, row, want, want_row);
  EXPECT_EQ(got.key[row], want.key[want_row]);
  EXPECT_EQ(got.key_present[row], want.key_present[want_row]);
  EXPECT_EQ(got.record_key[row], want.record_key[want_row]);
  EXPECT_EQ(got.record_key_present[row], want.record_key_present[want_row]);
  for (const StageId stage : {plan.in, plan.a, plan.out}) {
    EXPECT_EQ(got.stages[stage].outcome[row], want.stages[stage].outcome[want_row]);
    EXPECT_EQ(got.stages[stage].active[row], want.stages[stage].active[want_row]);
    const auto error = [](const StageRows& rows, uint32_t wanted) {
      for (const RowError& e : rows.errors) {
        if (e.row == wanted) return e.code + ": " + e.message;
      }
      return std::string();
    };
    EXPECT_EQ(error(got.stages[stage], row), error(want.stages[stage], want_row));
  }
  for (const auto* columns : {&plan.source_columns, &plan.a_columns}) {
    for (const ColumnId id : *columns) {
      const Column &column = got.columns[id], &wanted = want.columns[id];
      ASSERT_EQ(column.type(), wanted.type());
      ASSERT_EQ(column.states()[row], wanted.states()[want_row]) << plan.plan->columns[id].name;
      EXPECT_EQ(ReadCell(column, row), ReadCell(wanted, want_row)) << plan.plan->columns[id].name;
      EXPECT_EQ(column.misfit(row), wanted.misfit(want_row)) << plan.plan->columns[id].name;
    }
  }
}

void ExpectSameEncoded(const EncodedRows& got, const SourceTable& got_names, const EncodedRows& want,
                       const SourceTable& want_names) {
  const auto print = [](const EncodedRows& rows, const SourceTable& names) {
    std::vector<std::string> lines;
    const auto show = [](std::string_view text, uint32_t size) {
      return size == EncodedRows::kNone ? "null" : "'" + std::string(text) + "'";
    };
    for (const EncodedRows::Row& row : rows.rows) {
      const SourcePartition& from = names.at(row.partition);
      std::string line = from.topic + "/" + std::to_string(from.partition) + "/" + std::to_string(row.offset) + "@" +
                         std::to_string(row.timestamp_ms);
      line += " " +
              show(std::string_view(rows.bytes.data() + row.key, row.key_size == EncodedRows::kNone ? 0 : row.key_size),
                   row.key_size);
      line += " " + show(std::string_view(rows.bytes.data() + row.value,
                                          row.value_size == EncodedRows::kNone ? 0 : row.value_size),
                         row.value_size);
      rows.ForEachHeader(row, [&line](std::string_view name, std::string_view value) {
        line += " " + std::string(name) + (value.data() == nullptr ? "!" : "=" + std::string(value));
      });
      lines.push_back(line);
    }
    return lines;
  };
  EXPECT_EQ(print(got, got_names), print(want, want_names));
}

}  // namespace anabranch
