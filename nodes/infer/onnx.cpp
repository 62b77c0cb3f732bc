#include "nodes/infer/onnx.h"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

namespace anabranch {
namespace {

const OrtApi* api = nullptr;  // set once, before any use, by Runtime()
OrtEnv* environment = nullptr;
OrtMemoryInfo* cpu_memory = nullptr;
OrtAllocator* allocator = nullptr;

Status ToStatus(OrtStatus* status, Code code) {
  if (status == nullptr) return Status::Ok();
  Status result(code, api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return result;
}

#define ORT_CALL(expr) RETURN_IF_ERROR(ToStatus(expr, Code::kStage))

// ------------------------------------------------------------------ the library

struct LoadedRuntime {
  Status status;
  OnnxLibrary library;
};

std::vector<std::string> Candidates() {
  std::vector<std::string> paths;
  if (const char* named = std::getenv("ANABRANCH_ORT_LIB"); named != nullptr && *named != '\0') return {named};
  const auto add_folder = [&](const std::string& folder) {
    paths.push_back(folder + "/libonnxruntime.so.1");
    paths.push_back(folder + "/libonnxruntime.so");
  };
  char self[PATH_MAX];
  if (const ssize_t size = readlink("/proc/self/exe", self, sizeof(self)); size > 0) {
    const std::string path(self, static_cast<size_t>(size));
    add_folder(path.substr(0, path.rfind('/')) + "/../lib");
  }
  add_folder(ANABRANCH_ORT_DEFAULT_DIR);
  paths.push_back("libonnxruntime.so.1");
  paths.push_back("libonnxruntime.so");
  return paths;
}

std::string PathOf(void* symbol, const std::string& opened_as) {
  Dl_info info;
  return dladdr(symbol, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : opened_as;
}

Status UseLibrary(void* handle, const std::string& path, OnnxLibrary* library) {
  using GetApiBase = const OrtApiBase* (*)();
  void* symbol = dlsym(handle, "OrtGetApiBase");
  if (symbol == nullptr)
    return {Code::kUnavailable, path + " is not an ONNX Runtime library (it does not have OrtGetApiBase)"};
  const OrtApiBase* base = reinterpret_cast<GetApiBase>(symbol)();
  library->path = PathOf(symbol, path);
  library->version = base->GetVersionString();
  if (library->version.starts_with("1.26.")) {
    return {Code::kUnavailable, library->path + ": ONNX Runtime " + library->version +
                                    " computes binary random forests incorrectly; use 1.28"};
  }
  api = base->GetApi(ORT_API_VERSION);
  if (api != nullptr) return Status::Ok();
  return {Code::kUnavailable, library->path + ": this is ONNX Runtime " + library->version +
                                  ", but the program needs one with API " + std::to_string(ORT_API_VERSION) +
                                  " or newer (1." + std::to_string(ORT_API_VERSION) + ")"};
}

Status StartRuntime() {
  ORT_CALL(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "anabranch", &environment));
  ORT_CALL(api->DisableTelemetryEvents(environment));
  ORT_CALL(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &cpu_memory));
  ORT_CALL(api->GetAllocatorWithDefaultOptions(&allocator));
  return Status::Ok();
}

LoadedRuntime LoadRuntime() {
  LoadedRuntime runtime;
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);  // read when the environment is made
  std::string tried;
  for (const std::string& path : Candidates()) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      tried += (tried.empty() ? "" : ", ") + path;
      continue;
    }
    runtime.status = UseLibrary(handle, path, &runtime.library);
    if (runtime.status.ok()) runtime.status = StartRuntime();
    return runtime;
  }
  runtime.status = {Code::kUnavailable, "ONNX Runtime was not found (searched " + tried +
                                            "); run tests/setup/onnxruntime, or set ANABRANCH_ORT_LIB to the library"};
  return runtime;
}

const LoadedRuntime& Runtime() {
  static const LoadedRuntime runtime = LoadRuntime();
  return runtime;
}

// ------------------------------------------------------------------ types

struct ElementFacts {
  Element element;
  ONNXTensorElementDataType ort;
  const char* name;
  size_t size;
};

constexpr ElementFacts kElements[] = {
    {Element::kFloat32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, "float32", 4},
    {Element::kFloat64, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, "float64", 8},
    {Element::kFloat16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, "float16", 2},
    {Element::kInt64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, "int64", 8},
    {Element::kInt32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, "int32", 4},
    {Element::kInt16, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, "int16", 2},
    {Element::kInt8, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, "int8", 1},
    {Element::kUint8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, "uint8", 1},
    {Element::kUint16, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, "uint16", 2},
    {Element::kUint32, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, "uint32", 4},
    {Element::kUint64, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, "uint64", 8},
    {Element::kBool, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, "bool", 1},
    {Element::kString, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, "string", 0},
    {Element::kOther, ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, "unsupported", 0},
};

const ElementFacts& FactsOf(Element element) { return kElements[static_cast<size_t>(element)]; }

Element FromOrt(ONNXTensorElementDataType type) {
  for (const ElementFacts& facts : kElements) {
    if (facts.ort == type) return facts.element;
  }
  return Element::kOther;
}

ONNXTensorElementDataType ToOrt(Element element) { return FactsOf(element).ort; }

struct TypeInfoDelete {
  void operator()(OrtTypeInfo* info) const { api->ReleaseTypeInfo(info); }
  void operator()(OrtTensorTypeAndShapeInfo* info) const { api->ReleaseTensorTypeAndShapeInfo(info); }
  void operator()(OrtModelMetadata* data) const { api->ReleaseModelMetadata(data); }
  void operator()(OrtSessionOptions* options) const { api->ReleaseSessionOptions(options); }
};
using TypeInfo = std::unique_ptr<OrtTypeInfo, TypeInfoDelete>;
using ShapeInfo = std::unique_ptr<OrtTensorTypeAndShapeInfo, TypeInfoDelete>;

std::string TakeText(char* text) {
  if (text == nullptr) return {};
  std::string copy = text;
  (void)ToStatus(api->AllocatorFree(allocator, text), Code::kInternal);
  return copy;
}

Status ReadShape(const OrtTensorTypeAndShapeInfo& info, std::vector<int64_t>* shape) {
  size_t rank = 0;
  ORT_CALL(api->GetDimensionsCount(&info, &rank));
  shape->resize(rank);
  ORT_CALL(api->GetDimensions(&info, shape->data(), rank));
  return Status::Ok();
}

Status DescribeTensor(const OrtTypeInfo& type, ValueInfo* value) {
  const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // a view into `type`
  ORT_CALL(api->CastTypeInfoToTensorInfo(&type, &tensor));
  ONNXTensorElementDataType element;
  ORT_CALL(api->GetTensorElementType(tensor, &element));
  value->element = FromOrt(element);
  RETURN_IF_ERROR(ReadShape(*tensor, &value->shape));
  std::vector<const char*> names(value->shape.size());
  ORT_CALL(api->GetSymbolicDimensions(tensor, names.data(), names.size()));
  for (const char* name : names) value->dimensions.emplace_back(name == nullptr ? "" : name);
  value->form = ValueInfo::Form::kTensor;
  return Status::Ok();
}

Status DescribeMap(const OrtTypeInfo& type, ValueInfo::Form form, ValueInfo* value) {
  const OrtMapTypeInfo* map = nullptr;
  ORT_CALL(api->CastTypeInfoToMapTypeInfo(&type, &map));
  ONNXTensorElementDataType key;
  ORT_CALL(api->GetMapKeyType(map, &key));
  OrtTypeInfo* raw = nullptr;
  ORT_CALL(api->GetMapValueType(map, &raw));
  const TypeInfo inner(raw);
  ValueInfo number;
  RETURN_IF_ERROR(DescribeTensor(*inner, &number));
  value->map_key = FromOrt(key);
  value->element = number.element;
  if (value->map_key == Element::kInt64 || value->map_key == Element::kString) value->form = form;
  return Status::Ok();
}

Status DescribeMaps(const OrtTypeInfo& type, ValueInfo* value) {
  const OrtSequenceTypeInfo* sequence = nullptr;
  ORT_CALL(api->CastTypeInfoToSequenceTypeInfo(&type, &sequence));
  OrtTypeInfo* raw = nullptr;
  ORT_CALL(api->GetSequenceElementType(sequence, &raw));
  const TypeInfo item(raw);
  ONNXType item_type;
  ORT_CALL(api->GetOnnxTypeFromTypeInfo(item.get(), &item_type));
  return item_type == ONNX_TYPE_MAP ? DescribeMap(*item, ValueInfo::Form::kMaps, value) : Status::Ok();
}

Status Describe(const OrtTypeInfo& type, ValueInfo* value) {
  ONNXType form;
  ORT_CALL(api->GetOnnxTypeFromTypeInfo(&type, &form));
  if (form == ONNX_TYPE_TENSOR) return DescribeTensor(type, value);
  if (form == ONNX_TYPE_SEQUENCE) return DescribeMaps(type, value);
  if (form == ONNX_TYPE_MAP) return DescribeMap(type, ValueInfo::Form::kMap, value);
  return Status::Ok();
}

Status ReadMetadata(const OrtSession& session, ModelSignature* signature) {
  OrtModelMetadata* raw = nullptr;
  ORT_CALL(api->SessionGetModelMetadata(&session, &raw));
  const std::unique_ptr<OrtModelMetadata, TypeInfoDelete> data(raw);
  char* text = nullptr;
  ORT_CALL(api->ModelMetadataGetProducerName(raw, allocator, &text));
  signature->producer = TakeText(text);
  ORT_CALL(api->ModelMetadataGetGraphName(raw, allocator, &text));
  signature->graph = TakeText(text);
  ORT_CALL(api->ModelMetadataGetDescription(raw, allocator, &text));
  signature->description = TakeText(text);
  ORT_CALL(api->ModelMetadataGetVersion(raw, &signature->version));
  char** keys = nullptr;
  int64_t count = 0;
  ORT_CALL(api->ModelMetadataGetCustomMetadataMapKeys(raw, allocator, &keys, &count));
  for (int64_t i = 0; i < count; ++i) {
    const std::string key = TakeText(keys[i]);
    ORT_CALL(api->ModelMetadataLookupCustomMetadataMap(raw, allocator, key.c_str(), &text));
    signature->metadata[key] = TakeText(text);
  }
  if (keys != nullptr) ORT_CALL(api->AllocatorFree(allocator, static_cast<void*>(keys)));
  return Status::Ok();
}

Status ShapeOf(const OrtValue& value, TensorContent* content) {
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  ORT_CALL(api->GetTensorTypeAndShape(&value, &raw));
  const ShapeInfo info(raw);
  ONNXTensorElementDataType element;
  ORT_CALL(api->GetTensorElementType(raw, &element));
  content->element = FromOrt(element);
  ORT_CALL(api->GetTensorShapeElementCount(raw, &content->count));
  return ReadShape(*raw, &content->shape);
}

// ------------------------------------------------------------------ maps

Status ReadMapKeys(const OrtValue& map, std::vector<std::string>* keys) {
  OrtValue* raw = nullptr;
  ORT_CALL(api->GetValue(&map, 0, allocator, &raw));
  const OnnxValue owner(raw);
  TensorContent shape;
  RETURN_IF_ERROR(ShapeOf(*raw, &shape));
  keys->clear();
  if (shape.element == Element::kString) {
    StringContent texts;
    RETURN_IF_ERROR(ReadStrings(*raw, &texts));
    for (size_t i = 0; i < texts.count(); ++i) keys->emplace_back(texts.text(i));
    return Status::Ok();
  }
  RETURN_IF_ERROR(ReadTensor(*raw, &shape));
  const auto* numbers = static_cast<const int64_t*>(shape.data);
  for (size_t i = 0; i < shape.count; ++i) keys->push_back(std::to_string(numbers[i]));
  return Status::Ok();
}

Status ReadMapValues(const OrtValue& map, size_t expected, std::vector<float>* values) {
  OrtValue* raw = nullptr;
  ORT_CALL(api->GetValue(&map, 1, allocator, &raw));
  const OnnxValue owner(raw);
  TensorContent content;
  RETURN_IF_ERROR(ReadTensor(*raw, &content));
  if (content.element != Element::kFloat32 || content.count != expected) {
    return {Code::kStage, "a map of the model holds " + std::to_string(content.count) + " " +
                              ElementName(content.element) + " values for " + std::to_string(expected) + " classes"};
  }
  const auto* numbers = static_cast<const float*>(content.data);
  values->insert(values->end(), numbers, numbers + expected);
  return Status::Ok();
}

}  // namespace

Result<OnnxLibrary> LoadOnnxLibrary() {
  const LoadedRuntime& runtime = Runtime();
  if (!runtime.status.ok()) return runtime.status;
  return runtime.library;
}

const char* ElementName(Element element) { return FactsOf(element).name; }
size_t ElementSize(Element element) { return FactsOf(element).size; }

std::string ValueInfo::ToString() const {
  if (form == Form::kMaps || form == Form::kMap) {
    return std::string("map<") + ElementName(map_key) + ", " + ElementName(element) + ">";
  }
  if (form == Form::kOther) return "unsupported";
  std::string text = std::string(ElementName(element)) + "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ',';
    if (shape[i] >= 0) {
      text += std::to_string(shape[i]);
    } else {
      text += dimensions[i].empty() ? (i == 0 ? "N" : "?") : dimensions[i];
    }
  }
  return text + "]";
}

void OnnxValueDelete::operator()(OrtValue* value) const { api->ReleaseValue(value); }

Result<OnnxValue> MakeTensorView(Element element, void* data, std::span<const int64_t> shape) {
  size_t count = 1;
  for (const int64_t dimension : shape) count *= static_cast<size_t>(dimension);
  OrtValue* value = nullptr;
  ORT_CALL(api->CreateTensorWithDataAsOrtValue(cpu_memory, data, count * ElementSize(element), shape.data(),
                                               shape.size(), ToOrt(element), &value));
  return OnnxValue(value);
}

Result<OnnxValue> MakeStringTensor(std::span<const std::string_view> texts, std::span<const int64_t> shape) {
  OrtValue* raw = nullptr;
  ORT_CALL(
      api->CreateTensorAsOrtValue(allocator, shape.data(), shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &raw));
  OnnxValue value(raw);
  for (size_t i = 0; i < texts.size(); ++i) {
    char* buffer = nullptr;
    ORT_CALL(api->GetResizedStringTensorElementBuffer(raw, i, texts[i].size(), &buffer));
    if (!texts[i].empty()) std::memcpy(buffer, texts[i].data(), texts[i].size());
  }
  return value;
}

Status ReadTensor(const OrtValue& value, TensorContent* content) {
  RETURN_IF_ERROR(ShapeOf(value, content));
  void* data = nullptr;
  ORT_CALL(api->GetTensorMutableData(const_cast<OrtValue*>(&value), &data));
  content->data = data;
  return Status::Ok();
}

Status ReadStrings(const OrtValue& value, StringContent* content) {
  TensorContent tensor;
  RETURN_IF_ERROR(ShapeOf(value, &tensor));
  content->shape = std::move(tensor.shape);
  size_t size = 0;
  ORT_CALL(api->GetStringTensorDataLength(&value, &size));
  content->bytes.resize(size);
  content->offsets.resize(tensor.count + 1);
  ORT_CALL(api->GetStringTensorContent(&value, content->bytes.data(), size, content->offsets.data(), tensor.count));
  content->offsets[tensor.count] = size;
  return Status::Ok();
}

Status ReadMaps(const OrtValue& value, MapContent* content) {
  ORT_CALL(api->GetValueCount(&value, &content->rows));
  content->values.clear();
  content->keys.clear();
  std::vector<std::string> keys;
  for (size_t row = 0; row < content->rows; ++row) {
    OrtValue* raw = nullptr;
    ORT_CALL(api->GetValue(&value, static_cast<int>(row), allocator, &raw));
    const OnnxValue map(raw);
    RETURN_IF_ERROR(ReadMapKeys(*map, row == 0 ? &content->keys : &keys));
    if (row != 0 && keys != content->keys) return {Code::kStage, "the maps of one call have different classes"};
    RETURN_IF_ERROR(ReadMapValues(*map, content->keys.size(), &content->values));
  }
  return Status::Ok();
}

Result<std::unique_ptr<OnnxSession>> OnnxSession::Load(std::span<const char> bytes, bool optimise) {
  if (!Runtime().status.ok()) return Runtime().status;
  OrtSessionOptions* raw = nullptr;
  ORT_CALL(api->CreateSessionOptions(&raw));
  const std::unique_ptr<OrtSessionOptions, TypeInfoDelete> options(raw);
  ORT_CALL(api->SetIntraOpNumThreads(raw, 1));
  ORT_CALL(api->SetInterOpNumThreads(raw, 1));
  ORT_CALL(api->SetSessionExecutionMode(raw, ORT_SEQUENTIAL));
  ORT_CALL(api->SetSessionLogSeverityLevel(raw, ORT_LOGGING_LEVEL_FATAL));
  ORT_CALL(api->SetSessionGraphOptimizationLevel(raw, optimise ? ORT_ENABLE_ALL : ORT_DISABLE_ALL));
  std::unique_ptr<OnnxSession> session(new OnnxSession);
  OrtSession* loaded = nullptr;
  RETURN_IF_ERROR(
      ToStatus(api->CreateSessionFromArray(environment, bytes.data(), bytes.size(), raw, &loaded), Code::kInvalid));
  session->session_ = std::shared_ptr<OrtSession>(loaded, [](OrtSession* last) { api->ReleaseSession(last); });
  RETURN_IF_ERROR(session->MakeRunOptions());
  return session;
}

Result<std::unique_ptr<OnnxSession>> OnnxSession::Share(std::shared_ptr<OrtSession> loaded) {
  std::unique_ptr<OnnxSession> session(new OnnxSession);
  session->session_ = std::move(loaded);
  RETURN_IF_ERROR(session->MakeRunOptions());
  return session;
}

Status OnnxSession::MakeRunOptions() {
  ORT_CALL(api->CreateRunOptions(&run_options_));
  ORT_CALL(api->RunOptionsSetRunLogSeverityLevel(run_options_, ORT_LOGGING_LEVEL_FATAL));
  return Status::Ok();
}

OnnxSession::~OnnxSession() {
  if (run_options_ != nullptr) api->ReleaseRunOptions(run_options_);
}

Result<ModelSignature> OnnxSession::Signature() const {
  ModelSignature signature;
  RETURN_IF_ERROR(ReadMetadata(*session_, &signature));
  const auto describe = [&](auto name_of, auto type_of, size_t count, std::vector<ValueInfo>* values) -> Status {
    for (size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      ORT_CALL(name_of(session_.get(), i, allocator, &name));
      ValueInfo& value = values->emplace_back();
      value.name = TakeText(name);
      OrtTypeInfo* raw = nullptr;
      ORT_CALL(type_of(session_.get(), i, &raw));
      const TypeInfo type(raw);
      RETURN_IF_ERROR(Describe(*type, &value));
    }
    return Status::Ok();
  };
  size_t inputs = 0;
  size_t outputs = 0;
  ORT_CALL(api->SessionGetInputCount(session_.get(), &inputs));
  ORT_CALL(api->SessionGetOutputCount(session_.get(), &outputs));
  RETURN_IF_ERROR(describe(api->SessionGetInputName, api->SessionGetInputTypeInfo, inputs, &signature.inputs));
  RETURN_IF_ERROR(describe(api->SessionGetOutputName, api->SessionGetOutputTypeInfo, outputs, &signature.outputs));
  return signature;
}

Status OnnxSession::Run(std::span<const char* const> input_names, std::span<const OrtValue* const> inputs,
                        std::span<const char* const> output_names, std::span<OrtValue*> outputs) {
  ORT_CALL(api->Run(session_.get(), run_options_, input_names.data(), inputs.data(), inputs.size(), output_names.data(),
                    output_names.size(), outputs.data()));
  return Status::Ok();
}

void OnnxSession::Terminate() { (void)ToStatus(api->RunOptionsSetTerminate(run_options_), Code::kInternal); }
void OnnxSession::ResumeCalls() { (void)ToStatus(api->RunOptionsUnsetTerminate(run_options_), Code::kInternal); }

}  // namespace anabranch
