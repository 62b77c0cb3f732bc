#include "topologies/language/test_spec.h"

namespace anabranch {

namespace {

constexpr double kMostRows = 100'000;

// An object; a header may be called "x-…", so it has no notes.
Shape HeadersShape() { return Shape::Any(); }

FieldSpec KeyField() { return {"key", Shape::Any(), false, "", "The record's key: a text, or null for none."}; }

FieldSpec TimestampField(std::string doc) {
  return {"timestamp", Shape::OneOf({Shape::String(), Shape::Integer(0, 1e15)}), false, "", std::move(doc)};
}

Shape GivenRecordShape() {
  return Shape::Object({
      {"value", Shape::Any(), false, "", "The value, as JSON; null is a record without a value."},
      {"text", Shape::String(), false, "", "The value, byte for byte."},
      {"base64", Shape::String(), false, "", "The value in base64, for bytes that are not text."},
      KeyField(),
      {"headers", HeadersShape(), false, "", "Headers by name: texts, or null."},
      TimestampField("Event time: \"2026-11-28T10:00:00Z\", or milliseconds since 1970; default: `now`."),
  });
}

Shape GivenShape() {
  Shape records = Shape::List(GivenRecordShape());
  Shape file = Shape::Object({{"file", Shape::Path(), true, "",
                               "A text file: each line is the value of one record, as the source's format has it."}});
  return Shape::Map(Shape::OneOf({std::move(records), std::move(file)}), true);
}

Shape MockShape() {
  return Shape::Object({
      {"outputs", Shape::Map(Shape::Any()), false, "",
       "Values of the node's columns, the same for every row; a column that is not named is null."},
      {"rows", Shape::List(Shape::Any()), false, "",
       "One entry per given record, in their order: values of the node's columns, or {\"error\": CODE, \"message\": "
       "TEXT}, or {\"timeout\": true}."},
      {"by", Shape::Column(), false, "", "The column whose value selects the entry of `values`."},
      {"values", Shape::Map(Shape::Map(Shape::Any())), false, "", "With `by`: values of the node's columns by text."},
      {"default", Shape::Map(Shape::Any()), false, "",
       "With `by`: values of the node's columns where no entry is selected; without it they are null."},
      {"fail", Shape::Enum({"transient"}), false, "", "Of a target: its first commits fail, then it recovers."},
      {"times", Shape::Integer(1, 5), false, "1",
       "With `fail`: how many commits fail; the pause between them doubles from 50 ms."},
  });
}

Shape ExpectedRowsShape() {
  Shape rows = Shape::List(Shape::Object({
      {"value", Shape::Any(), false, "", "The written fields; matchers such as {\"$near\": 0.83} are allowed."},
      {"base64", Shape::String(), false, "", "The value in base64, for bytes that are not text."},
      KeyField(),
      {"headers", HeadersShape(), false, "", "Headers that the row must have, among others."},
      TimestampField("The row's timestamp."),
      {"row", Shape::Integer(0, kMostRows), false, "", "Which given record it comes from, counted from 0."},
  }));
  Shape count = Shape::Object({{"count", Shape::Integer(0, kMostRows), true, "", "How many rows there must be."}});
  return Shape::OneOf({std::move(rows), std::move(count)});
}

Shape ExpectedLettersShape() {
  Shape letters = Shape::List(Shape::Object({
      {"node", Shape::String(), false, "", "The source or node that the record failed in."},
      {"code", Shape::String(), false, "", "The code of the failure, such as \"rule\"."},
      {"row", Shape::Integer(0, kMostRows), false, "", "Which given record failed, counted from 0."},
      {"message", Shape::String(), false, "", "A part of the message."},
  }));
  Shape count = Shape::Object({{"count", Shape::Integer(0, kMostRows), true, "", "How many there must be."}});
  return Shape::OneOf({std::move(letters), std::move(count)});
}

Shape CountsShape() {
  std::vector<FieldSpec> counts;
  for (const char* name :
       {"rows_in", "rows_out", "filtered", "skipped", "failed", "missed", "defaulted", "dead_lettered"}) {
    counts.push_back({name, Shape::Integer(0, kMostRows), false, "", "As `anabranch status` counts it."});
  }
  return Shape::Object(std::move(counts));
}

// Beside these, an entry per target: its node id.
Shape ExpectShape() { return Shape::Map(Shape::Any()); }

}  // namespace

std::vector<FieldSpec> TestExpectFields(const std::vector<std::string>& targets) {
  std::vector<FieldSpec> fields = {
      {"dead_letters", ExpectedLettersShape(), false, "",
       "The dead letters, in any order. Without this key no record may become one."},
      {"columns", Shape::Map(Shape::List(Shape::Map(Shape::Any()))), false, "",
       "By source or node: rows of columns that it made, each with \"row\", the given record."},
      {"nodes", Shape::Map(CountsShape()), false, "", "By source or node: what it counted."},
  };
  for (const std::string& target : targets) {
    fields.push_back({target, ExpectedRowsShape(), false, "", "The rows that the target receives, all of them."});
  }
  return fields;
}

std::vector<FieldSpec> TestCaseFields() {
  const Shape tolerance = Shape::Object({
      {"rel", Shape::Number(0, 1), false, "1e-5", "Relative difference of two floats that counts as equal."},
      {"abs", Shape::Number(0), false, "1e-8", "Absolute difference of two floats that counts as equal."},
  });
  Shape name = Shape::String();
  name.non_empty = true;
  return {
      {"name", name, true, "", "What the case shows, in a few words; unique in its file."},
      {"only", Shape::String(), false, "",
       "Runs a part of the topology: \"NODE\" (with all that it reads), or \"NODE+\" (also all that reads it)."},
      {"env", Shape::Map(Shape::String()), false, "", "Variables of the environment for this case."},
      {"now", Shape::String(), false, "", "The time on the clock, \"2026-11-28T10:00:00Z\"."},
      {"given", GivenShape(), true, "", "By source: the records that it hands over, or the file whose lines they are."},
      {"mocks", Shape::Map(MockShape()), false, "",
       "By node: answers in place of the node's own. Its code does not run, and its model is not loaded."},
      {"expect", ExpectShape(), false, "",
       "What must come out: rows by target, `dead_letters`, `columns` and `nodes`. A target that is not named is not "
       "judged."},
      {"match", Shape::Enum({"exact", "contains"}), false, "\"exact\"",
       "Whether a row may have only the fields that are named, or others too."},
      {"order", Shape::Enum({"given", "any"}), false, "\"given\"",
       "Whether the rows of a target are expected in the order of their records, or in any."},
      {"tolerance", tolerance, false, "", "How far floats may differ; nothing else may."},
      {"description", Shape::String(), false, "", "For readers; no effect."},
  };
}

std::vector<FieldSpec> TestFileFields() {
  return {
      {"anabranch_tests", Shape::Integer(1, 1), true, "", "Version of the format: 1."},
      {"topology", Shape::String(), true, "", "The topology file, relative to this one."},
      {"tests", Shape::List(Shape::Object(TestCaseFields())), true, "", "Cases for `anabranch test`."},
  };
}

}  // namespace anabranch
