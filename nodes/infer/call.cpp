#include "nodes/infer/call.h"

namespace anabranch {
namespace {

size_t RowBytes(int64_t width, Element element) { return static_cast<size_t>(width) * ElementSize(element); }

}  // namespace

ModelCall::ModelCall(const InferPlan& plan) : plan_(plan), inputs_(plan.inputs.size()), outputs_(plan.outputs.size()) {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    inputs_[i].shape = plan.inputs[i].row_shape;
    inputs_[i].shape.insert(inputs_[i].shape.begin(), 0);
    input_names_.push_back(plan.inputs[i].name.c_str());
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    outputs_[i].shape = plan.outputs[i].row_shape;
    outputs_[i].shape.insert(outputs_[i].shape.begin(), 0);
    output_names_.push_back(plan.outputs[i].name.c_str());
  }
  input_values_.resize(inputs_.size());
  output_values_.resize(outputs_.size());
}

Result<std::unique_ptr<ModelCall>> ModelCall::Open(const InferPlan& plan) {
  ASSIGN_OR_RETURN(const auto bytes, plan.model->bytes->Get());
  ASSIGN_OR_RETURN(auto session, OnnxSession::Load(*bytes, true));
  return Open(plan, std::move(session));
}

std::unique_ptr<ModelCall> ModelCall::Open(const InferPlan& plan, std::unique_ptr<OnnxSession> session) {
  std::unique_ptr<ModelCall> call(new ModelCall(plan));
  call->session_ = std::move(session);
  return call;
}

void* ModelCall::Numbers(size_t i, uint32_t rows) {
  const ModelInput& input = plan_.inputs[i];
  return inputs_[i].buffer.Reserve(rows * RowBytes(input.width, input.element));
}

std::vector<std::string_view>& ModelCall::Texts(size_t i, uint32_t rows) {
  inputs_[i].texts.resize(rows * static_cast<size_t>(plan_.inputs[i].width));
  return inputs_[i].texts;
}

Status ModelCall::PrepareInput(size_t i, uint32_t rows) {
  InputSlot& slot = inputs_[i];
  const Element element = plan_.inputs[i].element;
  void* data = slot.borrowed != nullptr ? slot.borrowed : slot.buffer.data();
  slot.borrowed = nullptr;
  slot.shape[0] = rows;
  if (element == Element::kString) {
    ASSIGN_OR_RETURN(slot.value, MakeStringTensor(slot.texts, slot.shape));
  } else if (slot.value == nullptr || slot.value_data != data || slot.value_rows != rows) {
    ASSIGN_OR_RETURN(slot.value, MakeTensorView(element, data, slot.shape));
    slot.value_data = data;
    slot.value_rows = rows;
  }
  input_values_[i] = slot.value.get();
  return Status::Ok();
}

Status ModelCall::PrepareOutput(size_t i, uint32_t rows) {
  OutputSlot& slot = outputs_[i];
  output_values_[i] = nullptr;
  if (!slot.in_place) {
    slot.value.reset();
    return Status::Ok();
  }
  const ModelOutput& output = plan_.outputs[i];
  void* own = slot.buffer.Reserve(rows * RowBytes(output.width, output.element));
  void* data = slot.borrowed != nullptr ? slot.borrowed : own;
  slot.borrowed = nullptr;
  if (slot.value == nullptr || slot.value_data != data || slot.value_rows != rows) {
    slot.shape[0] = rows;
    ASSIGN_OR_RETURN(slot.value, MakeTensorView(output.element, data, slot.shape));
    slot.value_data = data;
    slot.value_rows = rows;
  }
  slot.content.data = data;
  slot.content.width = output.width;
  output_values_[i] = slot.value.get();
  return Status::Ok();
}

Status ModelCall::Run(uint32_t rows) {
  for (size_t i = 0; i < inputs_.size(); ++i) RETURN_IF_ERROR(PrepareInput(i, rows));
  for (size_t i = 0; i < outputs_.size(); ++i) RETURN_IF_ERROR(PrepareOutput(i, rows));
  const Status status = session_->Run(input_names_, input_values_, output_names_, output_values_);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!outputs_[i].in_place) outputs_[i].value.reset(output_values_[i]);
  }
  RETURN_IF_ERROR(status);
  for (size_t i = 0; i < outputs_.size(); ++i) RETURN_IF_ERROR(ReadOutput(i, rows));
  return Status::Ok();
}

Status ModelCall::ReadOutput(size_t i, uint32_t rows) {
  OutputSlot& slot = outputs_[i];
  if (slot.in_place) return Status::Ok();
  const ModelOutput& output = plan_.outputs[i];
  const auto wrong_rows = [&](const std::string& shape) {
    return Status(Code::kInvalid, "output \"" + output.name + "\" has " + shape + " for " + std::to_string(rows) +
                                      " rows; it needs one result per record");
  };
  if (output.form == ValueInfo::Form::kMaps) {
    RETURN_IF_ERROR(ReadMaps(*slot.value, &slot.content.maps));
    slot.content.width = static_cast<int64_t>(slot.content.maps.keys.size());
    return slot.content.maps.rows == rows ? Status::Ok() : wrong_rows(std::to_string(slot.content.maps.rows) + " maps");
  }
  TensorContent tensor;
  if (output.element == Element::kString) {
    RETURN_IF_ERROR(ReadStrings(*slot.value, &slot.content.strings));
    tensor.shape = slot.content.strings.shape;
    tensor.count = slot.content.strings.count();
  } else {
    RETURN_IF_ERROR(ReadTensor(*slot.value, &tensor));
    slot.content.data = tensor.data;
  }
  if (tensor.shape.empty() || tensor.shape[0] != rows) return wrong_rows(std::to_string(tensor.count) + " value(s)");
  slot.content.width = static_cast<int64_t>(tensor.count / rows);
  return Status::Ok();
}

}  // namespace anabranch
