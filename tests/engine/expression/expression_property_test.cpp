#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>
#include <random>

#include "engine/expression/expression.h"
#include "tests/engine/expression/expression_test_util.h"

// Random expressions, worked out row by row by an interpreter that knows nothing of columns, batches or types of
// registers, must equal what the engine makes of their text: values, nulls, NaN and failed rows.
namespace anabranch {
namespace {

constexpr uint32_t kRows = 37;

struct RowFailed {};

// Nodes print themselves and compute one row; a null row is a null Cell, a failed one throws.
struct Tree {
  virtual ~Tree() = default;
  virtual std::string Text() const = 0;
  virtual Cell At(uint32_t row) const = 0;
};
using TreePtr = std::unique_ptr<Tree>;

struct ColumnLeaf : Tree {
  std::string name;
  const std::vector<Cell>* cells;
  std::string Text() const override { return name; }
  Cell At(uint32_t row) const override { return (*cells)[row]; }
};

struct LiteralLeaf : Tree {
  std::string text;
  Cell value;
  std::string Text() const override { return text; }
  Cell At(uint32_t) const override { return value; }
};

double Number(const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell.value)) return static_cast<double>(*integer);
  return std::get<double>(cell.value);
}
bool IsInteger(const Cell& cell) { return std::holds_alternative<int64_t>(cell.value); }

Cell Integers(char op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool failed = false;
  if (op == '+') failed = __builtin_add_overflow(a, b, &result);
  if (op == '-') failed = __builtin_sub_overflow(a, b, &result);
  if (op == '*') failed = __builtin_mul_overflow(a, b, &result);
  if (op == '%') {
    failed = b == 0;
    result = failed || b == -1 ? 0 : a % b;
  }
  if (failed) throw RowFailed();
  return result;
}

Cell Floats(char op, double a, double b) {
  if (op == '+') return a + b;
  if (op == '-') return a - b;
  if (op == '*') return a * b;
  if (op == '/') return a / b;
  if (b == 0) throw RowFailed();
  return std::fmod(a, b);
}

struct Arithmetic : Tree {
  char op;
  TreePtr left, right;
  std::string Text() const override { return "(" + left->Text() + " " + op + " " + right->Text() + ")"; }
  Cell At(uint32_t row) const override {
    const Cell a = left->At(row);
    const Cell b = right->At(row);
    if (a.is_null() || b.is_null()) return {};
    if (op != '/' && IsInteger(a) && IsInteger(b)) {
      return Integers(op, std::get<int64_t>(a.value), std::get<int64_t>(b.value));
    }
    return Floats(op, Number(a), Number(b));
  }
};

struct Compare : Tree {
  std::string op;
  TreePtr left, right;
  std::string Text() const override { return "(" + left->Text() + " " + op + " " + right->Text() + ")"; }
  template <typename T>
  bool Holds(const T& a, const T& b) const {
    if (op == "==") return a == b;
    if (op == "!=") return a != b;
    if (op == "<") return a < b;
    if (op == "<=") return a <= b;
    return op == ">" ? a > b : a >= b;
  }
  Cell At(uint32_t row) const override {
    const Cell a = left->At(row);
    const Cell b = right->At(row);
    if (a.is_null() || b.is_null()) return {};
    if (std::holds_alternative<std::string>(a.value)) {
      return Holds(std::get<std::string>(a.value), std::get<std::string>(b.value));
    }
    if (IsInteger(a) && IsInteger(b)) return Holds(std::get<int64_t>(a.value), std::get<int64_t>(b.value));
    return Holds(Number(a), Number(b));
  }
};

struct Logic : Tree {
  bool is_and;
  TreePtr left, right;
  std::string Text() const override { return "(" + left->Text() + (is_and ? " && " : " || ") + right->Text() + ")"; }
  Cell At(uint32_t row) const override {
    const Cell decides(!is_and);
    const Cell a = left->At(row);
    if (a == decides) return a;
    const Cell b = right->At(row);
    if (b == decides) return b;
    return a.is_null() || b.is_null() ? Cell() : Cell(is_and);
  }
};

struct Call : Tree {
  std::string name;
  std::vector<TreePtr> args;
  Cell (*compute)(const std::vector<Cell>&);
  std::string Text() const override {
    std::string text = name + "(";
    for (const TreePtr& arg : args) text += (text.back() == '(' ? "" : ", ") + arg->Text();
    return text + ")";
  }
  Cell At(uint32_t row) const override {
    std::vector<Cell> values;
    for (const TreePtr& arg : args) {
      values.push_back(arg->At(row));
      if (name == "coalesce" && !values.back().is_null()) return values.back();
    }
    return compute(values);
  }
};

struct Select : Tree {
  TreePtr condition, yes, no;
  std::string Text() const override { return "(" + condition->Text() + " ? " + yes->Text() + " : " + no->Text() + ")"; }
  Cell At(uint32_t row) const override { return (condition->At(row) == Cell(true) ? yes : no)->At(row); }
};

Cell Not(const std::vector<Cell>& v) { return v[0].is_null() ? Cell() : Cell(!std::get<bool>(v[0].value)); }
Cell IsNull(const std::vector<Cell>& v) { return v[0].is_null(); }
Cell LastNull(const std::vector<Cell>&) { return {}; }
Cell Length(const std::vector<Cell>& v) {
  return v[0].is_null() ? Cell() : Cell(static_cast<int64_t>(std::get<std::string>(v[0].value).size()));
}
Cell Floor(const std::vector<Cell>& v) { return v[0].is_null() ? Cell() : Cell(std::floor(Number(v[0]))); }
Cell Concat(const std::vector<Cell>& v) {
  if (v[0].is_null() || v[1].is_null()) return {};
  return std::get<std::string>(v[0].value) + std::get<std::string>(v[1].value);
}
Cell Text(const std::vector<Cell>& v) {
  return v[0].is_null() ? Cell() : Cell(std::to_string(std::get<int64_t>(v[0].value)));
}
Cell ToInt(const std::vector<Cell>& v) {
  if (v[0].is_null()) return {};
  const double x = Number(v[0]);
  if (!(x >= -9223372036854775808.0 && x < 9223372036854775808.0)) throw RowFailed();
  return static_cast<int64_t>(x);
}

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed), bench(kRows) {
    Fill("i1", Kind::kInt64, [this] { return Cell(Small()); });
    Fill("i2", Kind::kInt64,
         [this] { return Below(4) == 0 ? Cell(Pick<int64_t>({INT64_MAX, INT64_MIN, -1})) : Cell(Small()); });
    Fill("f1", Kind::kFloat64, [this] { return Cell(static_cast<double>(Small()) / 4); });
    Fill("f2", Kind::kFloat64, [this] { return Cell(Pick<double>({NAN, INFINITY, -0.0, 0.0, 1e300, -2.5})); });
    Fill("s1", Kind::kString,
         [this] { return Cell(Pick<std::string>({"", "a", "b", "abc", "longer than a small string"})); });
    Fill("b1", Kind::kBool, [this] { return Cell(Below(2) == 0); });
    Fill("b2", Kind::kBool, [this] { return Cell(Below(2) == 0); });
    for (uint8_t& active : bench.active()) active = Below(5) != 0;
  }

  TreePtr Any(int depth) {
    switch (Below(4)) {
      case 0: return Integer(depth);
      case 1: return Float(depth);
      case 2: return String(depth);
      default: return Bool(depth);
    }
  }

 private:
  template <typename Make>
  void Fill(const std::string& name, Kind kind, Make make) {
    std::vector<Cell> cells;
    for (uint32_t row = 0; row < kRows; ++row) cells.push_back(Below(4) == 0 ? Cell() : make());
    bench.Add(name, kind, cells);
    columns_.emplace_back(name, std::make_unique<std::vector<Cell>>(std::move(cells)));
  }

  uint32_t Below(uint32_t n) { return random_() % n; }
  int64_t Small() { return static_cast<int64_t>(Below(11)) - 5; }
  template <typename T>
  T Pick(const std::vector<T>& from) {
    return from[Below(static_cast<uint32_t>(from.size()))];
  }

  TreePtr Leaf(const std::string& name) {
    auto leaf = std::make_unique<ColumnLeaf>();
    leaf->name = name;
    for (const auto& [column, cells] : columns_) {
      if (column == name) leaf->cells = cells.get();
    }
    return leaf;
  }
  TreePtr Literal(std::string text, Cell value) {
    auto leaf = std::make_unique<LiteralLeaf>();
    leaf->text = std::move(text);
    leaf->value = std::move(value);
    return leaf;
  }
  TreePtr MakeCall(std::string name, Cell (*compute)(const std::vector<Cell>&), TreePtr a, TreePtr b = nullptr) {
    auto call = std::make_unique<Call>();
    call->name = std::move(name);
    call->compute = compute;
    call->args.push_back(std::move(a));
    if (b) call->args.push_back(std::move(b));
    return call;
  }
  TreePtr MakeArithmetic(char op, TreePtr a, TreePtr b) {
    auto node = std::make_unique<Arithmetic>();
    node->op = op;
    node->left = std::move(a);
    node->right = std::move(b);
    return node;
  }
  TreePtr MakeSelect(TreePtr condition, TreePtr yes, TreePtr no) {
    auto node = std::make_unique<Select>();
    node->condition = std::move(condition);
    node->yes = std::move(yes);
    node->no = std::move(no);
    return node;
  }

  TreePtr Integer(int depth) {
    if (depth == 0) {
      const int64_t n = Below(6);
      return Below(3) == 0 ? Literal(std::to_string(n), n) : Leaf(Pick<std::string>({"i1", "i2"}));
    }
    switch (Below(6)) {
      case 0: return MakeSelect(Bool(depth - 1), Integer(depth - 1), Integer(depth - 1));
      case 1: return MakeCall("coalesce", LastNull, Integer(depth - 1), Integer(depth - 1));
      case 2: return MakeCall("length", Length, String(depth - 1));
      case 3: return MakeCall("int", ToInt, Float(depth - 1));
      default: return MakeArithmetic(Pick<char>({'+', '-', '*', '%'}), Integer(depth - 1), Integer(depth - 1));
    }
  }
  TreePtr Float(int depth) {
    if (depth == 0) return Below(3) == 0 ? Literal("0.5", 0.5) : Leaf(Pick<std::string>({"f1", "f2"}));
    switch (Below(6)) {
      case 0: return MakeSelect(Bool(depth - 1), Float(depth - 1), Float(depth - 1));
      case 1: return MakeCall("coalesce", LastNull, Float(depth - 1), Float(depth - 1));
      case 2: return MakeCall("floor", Floor, Float(depth - 1));
      case 3: return MakeArithmetic('/', Integer(depth - 1), Integer(depth - 1));
      default: return MakeArithmetic(Pick<char>({'+', '-', '*', '/', '%'}), Float(depth - 1), Number(depth - 1));
    }
  }
  TreePtr Number(int depth) { return Below(2) == 0 ? Integer(depth) : Float(depth); }
  TreePtr String(int depth) {
    if (depth == 0) return Below(3) == 0 ? Literal("'a'", "a") : Leaf("s1");
    switch (Below(4)) {
      case 0: return MakeSelect(Bool(depth - 1), String(depth - 1), String(depth - 1));
      case 1: return MakeCall("coalesce", LastNull, String(depth - 1), String(depth - 1));
      case 2: return MakeCall("string", Text, Integer(depth - 1));
      default: return MakeCall("concat", Concat, String(depth - 1), String(depth - 1));
    }
  }
  TreePtr Bool(int depth) {
    if (depth == 0) return Below(5) == 0 ? Literal("true", true) : Leaf(Pick<std::string>({"b1", "b2"}));
    if (Below(4) == 0) return MakeCall("!", Not, Bool(depth - 1));
    if (Below(5) == 0) return MakeCall("is_null", IsNull, Any(depth - 1));
    if (Below(3) == 0) {
      auto compare = std::make_unique<Compare>();
      compare->op = Pick<std::string>({"==", "!=", "<", "<=", ">", ">="});
      const bool strings = Below(3) == 0;
      compare->left = strings ? String(depth - 1) : Number(depth - 1);
      compare->right = strings ? String(depth - 1) : Number(depth - 1);
      return compare;
    }
    auto logic = std::make_unique<Logic>();
    logic->is_and = Below(2) == 0;
    logic->left = Bool(depth - 1);
    logic->right = Bool(depth - 1);
    return logic;
  }

  std::mt19937 random_;
  std::vector<std::pair<std::string, std::unique_ptr<std::vector<Cell>>>> columns_;

 public:
  ExpressionBench bench;
};

void ExpectSame(Generator& generator, const Tree& tree) {
  const std::vector<Cell> rows = generator.bench.Rows(tree.Text());
  ASSERT_EQ(rows.size(), kRows) << tree.Text() << "\n" << rows[0];
  std::string errors;
  for (const ExpressionError& error : generator.bench.errors()) errors += std::to_string(error.row) + " ";
  std::string wanted_errors;
  for (uint32_t row = 0; row < kRows; ++row) {
    if (generator.bench.active()[row] == 0) continue;
    try {
      ASSERT_EQ(rows[row], tree.At(row)) << "row " << row << " of " << tree.Text();
    } catch (const RowFailed&) {
      wanted_errors += std::to_string(row) + " ";
      ASSERT_TRUE(rows[row].is_null()) << "row " << row << " of " << tree.Text();
    }
  }
  ASSERT_EQ(errors, wanted_errors) << tree.Text();
}

TEST(ExpressionProperty, VectorisedResultsEqualRowByRowOnes) {
  for (uint32_t seed = 0; seed < 1000; ++seed) {
    Generator generator(seed);
    for (int i = 0; i < 25; ++i) {
      ExpectSame(generator, *generator.Any(i % 6));
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
    }
  }
}

std::string RandomText(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"i1",
                                                   "f1",
                                                   "s1",
                                                   "b1",
                                                   "(",
                                                   ")",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   "+",
                                                   "-",
                                                   "*",
                                                   "/",
                                                   "%",
                                                   "&&",
                                                   "||",
                                                   "!",
                                                   "==",
                                                   "!=",
                                                   "<",
                                                   ">",
                                                   "?",
                                                   ":",
                                                   "in",
                                                   "null",
                                                   "true",
                                                   "1",
                                                   "2.5",
                                                   "1e999",
                                                   "'a'",
                                                   "\"",
                                                   "'",
                                                   "`",
                                                   "\\u12",
                                                   "and",
                                                   "=",
                                                   "min(",
                                                   "sum(",
                                                   "coalesce(",
                                                   "matches(s1,'(')",
                                                   "header('h')",
                                                   "is_null(",
                                                   ".",
                                                   "\xff",
                                                   "é",
                                                   " ",
                                                   "substr(",
                                                   "timestamp('x')",
                                                   "9223372036854775807"};
  std::string text;
  const size_t count = random() % 24;
  for (size_t i = 0; i < count; ++i) {
    if (random() % 20 == 0) {
      text += static_cast<char>(random());
    } else {
      text += kPieces[random() % kPieces.size()];
    }
    if (random() % 2 == 0) text += ' ';
  }
  return text;
}

TEST(ExpressionProperty, AnyTextGivesAProgramOrAFaultInsideIt) {
  Generator generator(1);
  std::mt19937 random(7);
  int sound = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string text = RandomText(random);
    const CompiledExpression compiled = generator.bench.Compile(text);
    ASSERT_NE(compiled.expression == nullptr, compiled.faults.empty()) << text;
    for (const ExpressionFault& fault : compiled.faults) ASSERT_LE(fault.offset + fault.length, text.size()) << text;
    if (compiled.expression == nullptr) continue;
    ++sound;
    generator.bench.Rows(text);
  }
  EXPECT_GT(sound, 500) << "the texts must not all be refused";
}

}  // namespace
}  // namespace anabranch
