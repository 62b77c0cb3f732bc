#include <algorithm>

#include "engine/expression/typed.h"

namespace anabranch::expression {
namespace {

// One pass over the tree. A register is allocated before those of its operands are freed, so that no instruction
// overwrites its inputs. Constants have registers of their own and keep their values from batch to batch.
class Generator {
 public:
  explicit Generator(const TypedTree& tree) : tree_(tree), program_(std::make_shared<ExpressionProgram>()) {}

  std::shared_ptr<const ExpressionProgram> Run() {
    const Typed& root = tree_.nodes[tree_.root];
    const Operand result = Emit(tree_.root, kActiveMask);
    if (result.kind == Operand::Kind::kRegister) {
      program_->instructions.back().out = kResult;
    } else {
      Instruction copy{CopyKernel, {result}, kResult, kActiveMask, root.type, nullptr};
      program_->instructions.push_back(std::move(copy));
    }
    for (const Instruction& instruction : program_->instructions) {
      program_->most_args = std::max(program_->most_args, instruction.args.size());
    }
    return program_;
  }

 private:
  using Form = Typed::Form;

  Operand Emit(uint32_t index, uint32_t mask) {
    const Typed& node = tree_.nodes[index];
    switch (node.form) {
      case Form::kLiteral: return Constant(node.literal);
      case Form::kColumn: return ColumnOperand(node);
      case Form::kAnd: return Guarded(node, AndKernel, MaskNotFalseKernel, mask);
      case Form::kOr: return Guarded(node, OrKernel, MaskNotTrueKernel, mask);
      case Form::kCoalesce: return Guarded(node, CoalesceKernel(node.type.kind), MaskNullKernel, mask);
      case Form::kSelect: return Select(node, mask);
      default: break;
    }
    std::vector<Operand> args;
    for (uint32_t arg : node.args) args.push_back(Emit(arg, mask));
    return Push(node.kernel, std::move(args), mask, node.type, node.data);
  }

  Operand Constant(const Literal& literal) {
    program_->constants.push_back(literal);
    return {Operand::Kind::kConstant, static_cast<uint32_t>(program_->constants.size() - 1)};
  }

  Operand ColumnOperand(const Typed& node) {
    auto& columns = program_->columns;
    const auto found = std::ranges::find(columns, node.column, [](const auto& column) { return column.first; });
    if (found == columns.end()) columns.emplace_back(node.column, node.type);
    const auto index = static_cast<uint32_t>(
        std::ranges::find(columns, node.column, [](const auto& column) { return column.first; }) - columns.begin());
    return {Operand::Kind::kColumn, index};
  }

  // The second operand is only needed where `narrow` of the first says so.
  Operand Guarded(const Typed& node, Kernel kernel, Kernel narrow, uint32_t mask) {
    const Operand first = Emit(node.args[0], mask);
    const Operand second = Narrowed(node.args[1], narrow, first, mask);
    return Push(kernel, {first, second}, mask, node.type, nullptr);
  }

  Operand Select(const Typed& node, uint32_t mask) {
    const Operand condition = Emit(node.args[0], mask);
    const Operand yes = Narrowed(node.args[1], MaskTrueKernel, condition, mask);
    const Operand no = Narrowed(node.args[2], MaskNotTrueKernel, condition, mask);
    return Push(SelectKernel(node.type.kind), {condition, yes, no}, mask, node.type, nullptr);
  }

  Operand Narrowed(uint32_t index, Kernel narrow, const Operand& condition, uint32_t mask) {
    if (!tree_.nodes[index].lazy) return Emit(index, mask);
    const uint32_t narrowed = Take();
    Instruction instruction{narrow, {condition}, narrowed, mask, Type::Scalar(Kind::kBool), nullptr};
    program_->instructions.push_back(std::move(instruction));
    const Operand result = Emit(index, narrowed);
    free_.push_back(narrowed);
    return result;
  }

  Operand Push(Kernel kernel, std::vector<Operand> args, uint32_t mask, const Type& type,
               std::shared_ptr<const KernelData> data) {
    const uint32_t out = Take();
    for (const Operand& arg : args) {
      if (arg.kind == Operand::Kind::kRegister) free_.push_back(arg.index);
    }
    program_->instructions.push_back({kernel, std::move(args), out, mask, type, std::move(data)});
    return {Operand::Kind::kRegister, out};
  }

  uint32_t Take() {
    if (free_.empty()) return program_->registers++;
    const uint32_t taken = free_.back();
    free_.pop_back();
    return taken;
  }

  const TypedTree& tree_;
  std::shared_ptr<ExpressionProgram> program_;
  std::vector<uint32_t> free_;
};

}  // namespace

std::shared_ptr<const ExpressionProgram> Generate(const TypedTree& tree) { return Generator(tree).Run(); }

}  // namespace anabranch::expression
