#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "nodes/infer/aligned_buffer.h"
#include "nodes/infer/program.h"

namespace anabranch {

// One session with the memory for its calls: fill the inputs, Run, read the outputs. In steady state a call allocates
// no memory here. For one thread, except Terminate().
class ModelCall {
 public:
  // Loads the model. Errors as OnnxSession::Load. `plan` must outlive the call.
  static Result<std::unique_ptr<ModelCall>> Open(const InferPlan& plan);
  // With a session of the model that is there already.
  static std::unique_ptr<ModelCall> Open(const InferPlan& plan, std::unique_ptr<OnnxSession> session);

  const InferPlan& plan() const { return plan_; }

  // Memory for the rows of input `i`, row-major: numbers, or texts for a string input. Valid until this function is
  // called again for this input.
  void* Numbers(size_t i, uint32_t rows);
  std::vector<std::string_view>& Texts(size_t i, uint32_t rows);
  // Whether the call may use memory that it does not own. If not, Borrow… must not be called. Set by the probe.
  void SetBorrows(bool borrows) { borrows_ = borrows; }
  bool borrows() const { return borrows_; }
  // For the next Run only: reads input `i` from this memory, or writes output `i` to it.
  void BorrowInput(size_t i, const void* data) { inputs_[i].borrowed = const_cast<void*>(data); }
  void BorrowOutput(size_t i, void* data) { outputs_[i].borrowed = data; }
  // Whether output `i` may be written in place: its shape is as declared. Set by the probe.
  void SetInPlace(size_t i, bool in_place) { outputs_[i].in_place = in_place; }
  bool in_place(size_t i) const { return outputs_[i].in_place; }

  // Calls the model with `rows` rows. kStage with the runtime's text when the model refuses; kInvalid when an output
  // does not have one result per row: no call can then succeed.
  Status Run(uint32_t rows);

  // An output of the last Run, valid until the next.
  struct Output {
    int64_t width = 0;           // values per row
    const void* data = nullptr;  // numbers
    StringContent strings;
    MapContent maps;
  };
  const Output& output(size_t i) const { return outputs_[i].content; }

  void Terminate() { session_->Terminate(); }
  void ResumeCalls() { session_->ResumeCalls(); }

 private:
  struct InputSlot {
    std::vector<int64_t> shape;
    AlignedBuffer buffer;
    std::vector<std::string_view> texts;
    void* borrowed = nullptr;
    OnnxValue value;
    const void* value_data = nullptr;  // the memory that `value` refers to
    uint32_t value_rows = 0;
  };
  struct OutputSlot {
    std::vector<int64_t> shape;
    AlignedBuffer buffer;
    void* borrowed = nullptr;
    bool in_place = false;
    OnnxValue value;
    const void* value_data = nullptr;
    uint32_t value_rows = 0;
    Output content;
  };

  explicit ModelCall(const InferPlan& plan);
  Status PrepareInput(size_t i, uint32_t rows);
  Status PrepareOutput(size_t i, uint32_t rows);
  Status ReadOutput(size_t i, uint32_t rows);

  const InferPlan& plan_;
  std::unique_ptr<OnnxSession> session_;
  std::vector<InputSlot> inputs_;
  std::vector<OutputSlot> outputs_;
  std::vector<const char*> input_names_;
  std::vector<const char*> output_names_;
  std::vector<const OrtValue*> input_values_;
  std::vector<OrtValue*> output_values_;
  bool borrows_ = false;
};

}  // namespace anabranch
