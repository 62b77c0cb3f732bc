#include "engine/expression/parser.h"

#include <algorithm>
#include <iterator>

#include "engine/expression/lexer.h"

namespace anabranch::expression {
namespace {

constexpr int kSelectLevel = 1;
constexpr int kUnaryLevel = 8;

int LevelOf(const Token& token) {
  if (token.kind == TokenKind::kIn) return 5;
  if (token.kind != TokenKind::kOperator) return 0;
  const std::string& op = token.text;
  if (op == "?") return kSelectLevel;
  if (op == "||") return 2;
  if (op == "&&") return 3;
  if (op == "==" || op == "!=") return 4;
  if (op == "<" || op == "<=" || op == ">" || op == ">=") return 5;
  if (op == "+" || op == "-") return 6;
  if (op == "*" || op == "/" || op == "%" || op == "**") return 7;
  return 0;
}

// Words with which other languages choose between two values.
bool IsChoice(std::string_view word) {
  constexpr std::string_view kWords[] = {"if", "then", "else", "elif", "case", "when"};
  return std::ranges::find(kWords, word) != std::end(kWords);
}

// Precedence climbing. A method that finds a fault records it and returns kFailed, and every caller passes that on. The
// parts read before the fault stay in the tree.
class Parser {
 public:
  Parser(std::vector<Token> tokens, bool whole, std::vector<ExpressionFault>* faults)
      : tokens_(std::move(tokens)), faults_(faults) {
    ast_.broken = !whole;
  }

  Ast Run() {
    const uint32_t root = Expression(kSelectLevel);
    if (root != kFailed && Peek().kind != TokenKind::kEnd) Unexpected("an operator or the end");
    if (ast_.broken) {
      while (!too_large_ && Peek().kind != TokenKind::kEnd) {  // after the fault
        Take();
        (void)Expression(kSelectLevel);
      }
      FindParts();
    } else {
      ast_.root = root;
    }
    return std::move(ast_);
  }

 private:
  void FindParts() {
    std::vector<bool> has_parent(ast_.nodes.size());
    for (const Ast::Node& node : ast_.nodes) {
      for (uint32_t arg : node.args) has_parent[arg] = true;
    }
    for (uint32_t index = 0; index < ast_.nodes.size(); ++index) {
      const Ast::Node& node = ast_.nodes[index];
      if (!has_parent[index] && !(node.kind == Ast::Kind::kName && IsChoice(node.text))) ast_.parts.push_back(index);
    }
  }

  static constexpr uint32_t kFailed = 0xffffffff;

  struct DepthGuard {
    explicit DepthGuard(int& d) : depth(d) { ++depth; }
    ~DepthGuard() { --depth; }
    int& depth;
  };

  const Token& Peek() const { return tokens_[at_]; }
  Token Take() {
    Token token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool IsOperator(std::string_view op) const { return Peek().kind == TokenKind::kOperator && Peek().text == op; }

  uint32_t Fail(size_t offset, size_t length, std::string message, std::string hint = {}) {
    if (!ast_.broken) {
      faults_->push_back({FaultCode::kExpressionSyntax, offset, length, std::move(message), std::move(hint)});
    }
    ast_.broken = true;
    return kFailed;
  }

  uint32_t TooLarge(size_t offset, size_t length, std::string message) {
    too_large_ = true;
    return Fail(offset, length, std::move(message), "split it into several entries");
  }

  uint32_t Unexpected(const std::string& wanted) {
    const Token& token = Peek();
    for (const Token* choice : {at_ > 0 ? &tokens_[at_ - 1] : &token, &token}) {
      if (choice->kind != TokenKind::kName || choice->quoted || !IsChoice(choice->text)) continue;
      return Fail(choice->offset, choice->length, "\"" + choice->text + "\" is not an operator of this language",
                  "write condition ? value : other value");
    }
    if (token.kind == TokenKind::kEnd)
      return Fail(token.offset, 0, "the expression ends, but " + wanted + " is expected");
    std::string shown = token.text;
    if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kNumber) shown = "a number";
    if (token.kind == TokenKind::kString) shown = "a string";
    return Fail(token.offset, token.length, "\"" + shown + "\" is found where " + wanted + " is expected");
  }

  bool Expect(const char* op) {
    if (!IsOperator(op)) {
      Unexpected(std::string("\"") + op + "\"");
      return false;
    }
    Take();
    return true;
  }

  uint32_t Add(Ast::Kind kind, const Token& token, std::vector<uint32_t> args = {}) {
    for (uint32_t arg : args) {
      if (arg == kFailed) return kFailed;
    }
    if (ast_.nodes.size() >= kMaxNodes) {
      return TooLarge(token.offset, token.length,
                      "the expression has more than " + std::to_string(kMaxNodes) + " parts");
    }
    Ast::Node node{kind, token.offset, token.length, token.text, false, token.integer, token.number, std::move(args)};
    ast_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(ast_.nodes.size() - 1);
  }

  uint32_t Expression(int lowest) {
    const DepthGuard guard(depth_);
    if (depth_ > kMaxDepth) {
      return TooLarge(Peek().offset, Peek().length,
                      "the expression is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    uint32_t left = Unary();
    while (left != kFailed) {
      const int level = LevelOf(Peek());
      if (level == 0 || level < lowest) break;
      const Token op = Take();
      left = level == kSelectLevel ? Select(op, left) : Binary(op, left, level);
    }
    return left;
  }

  uint32_t Binary(Token op, uint32_t left, int level) {
    op.text = op.kind == TokenKind::kIn ? "in" : op.text;
    const uint32_t right = Expression(level + 1);
    return Add(Ast::Kind::kBinary, op, {left, right});
  }

  uint32_t Select(const Token& op, uint32_t condition) {
    const uint32_t yes = Expression(kSelectLevel);
    if (yes == kFailed || !Expect(":")) return kFailed;
    const uint32_t no = Expression(kSelectLevel);
    return Add(Ast::Kind::kSelect, op, {condition, yes, no});
  }

  uint32_t Unary() {
    if (!IsOperator("-") && !IsOperator("!")) return Postfix();
    const Token op = Take();
    return Add(Ast::Kind::kUnary, op, {Expression(kUnaryLevel)});
  }

  uint32_t Postfix() {
    uint32_t node = Primary();
    while (node != kFailed && IsOperator("[")) {
      const Token bracket = Take();
      const uint32_t index = Expression(kSelectLevel);
      if (index == kFailed || !Expect("]")) return kFailed;
      node = Add(Ast::Kind::kIndex, bracket, {node, index});
    }
    return node;
  }

  uint32_t Primary() {
    switch (Peek().kind) {
      case TokenKind::kNull: return Add(Ast::Kind::kNull, Take());
      case TokenKind::kTrue:
      case TokenKind::kFalse: return Flag();
      case TokenKind::kInteger: return Add(Ast::Kind::kInteger, Take());
      case TokenKind::kNumber: return Add(Ast::Kind::kNumber, Take());
      case TokenKind::kString: return Add(Ast::Kind::kString, Take());
      case TokenKind::kFaulty: return Add(Ast::Kind::kFaulty, Take());
      case TokenKind::kName: return Name();
      default: break;
    }
    if (IsOperator("[")) return List();
    if (IsOperator("{")) return Table();
    if (!IsOperator("(")) return Unexpected("a value");
    Take();
    const uint32_t inner = Expression(kSelectLevel);
    return inner != kFailed && Expect(")") ? inner : kFailed;
  }

  uint32_t Flag() {
    const Token token = Take();
    const uint32_t node = Add(Ast::Kind::kBool, token);
    if (node != kFailed) ast_.nodes[node].boolean = token.kind == TokenKind::kTrue;
    return node;
  }

  uint32_t Name() {
    const Token name = Take();
    if (name.quoted || !IsOperator("(")) return Add(Ast::Kind::kName, name);
    Take();
    std::vector<uint32_t> args;
    if (!Items(")", &args)) return kFailed;
    return Add(Ast::Kind::kCall, name, std::move(args));
  }

  uint32_t List() {
    const Token bracket = Take();
    std::vector<uint32_t> items;
    if (!Items("]", &items)) return kFailed;
    return Add(Ast::Kind::kList, bracket, std::move(items));
  }

  uint32_t Table() {
    const Token brace = Take();
    std::vector<uint32_t> entries;
    while (!IsOperator("}")) {
      entries.push_back(Expression(kSelectLevel + 1));
      if (entries.back() == kFailed || !Expect(":")) return kFailed;
      entries.push_back(Expression(kSelectLevel));
      if (entries.back() == kFailed) return kFailed;
      if (!IsOperator(",")) break;
      Take();
    }
    return Expect("}") ? Add(Ast::Kind::kTable, brace, std::move(entries)) : kFailed;
  }

  // Expressions between commas, up to and with `close`.
  bool Items(const char* close, std::vector<uint32_t>* items) {
    if (IsOperator(close)) {
      Take();
      return true;
    }
    while (true) {
      items->push_back(Expression(kSelectLevel));
      if (items->back() == kFailed) return false;
      if (!IsOperator(",")) return Expect(close);
      Take();
    }
  }

  std::vector<Token> tokens_;
  std::vector<ExpressionFault>* faults_;
  size_t at_ = 0;
  int depth_ = 0;
  bool too_large_ = false;  // nothing more is read
  Ast ast_;
};

}  // namespace

std::optional<Ast> Parse(std::string_view text, std::vector<ExpressionFault>* faults) {
  if (text.size() > kMaxTextBytes) {
    faults->push_back({FaultCode::kExpressionSyntax, kMaxTextBytes, 0,
                       "the expression is longer than " + std::to_string(kMaxTextBytes) + " bytes",
                       "split it into several entries"});
    return std::nullopt;
  }
  bool whole = false;
  std::vector<Token> tokens = Tokenise(text, faults, &whole);
  return Parser(std::move(tokens), whole, faults).Run();
}

}  // namespace anabranch::expression
