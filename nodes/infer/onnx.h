#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

struct OrtRunOptions;
struct OrtSession;
struct OrtValue;

namespace anabranch {

// The interface of this folder to ONNX Runtime; only onnx.cpp includes the runtime's headers. The library is loaded at
// run time, so that a program built with one version's headers runs with another.

// The runtime in use, for `doctor`.
struct OnnxLibrary {
  std::string path;
  std::string version;
};

// Loads the library once per process: from $ANABRANCH_ORT_LIB, ../lib beside the program, the folder known at build
// time, the system. Its telemetry is off before anything else is called. Thread-safe.
// kUnavailable: not found, too old, or known to compute wrongly; the text lists the places that were searched.
Result<OnnxLibrary> LoadOnnxLibrary();

// The element types of tensors that columns can hold.
enum class Element : uint8_t {
  kFloat32,
  kFloat64,
  kFloat16,
  kInt64,  // the integers, from here
  kInt32,
  kInt16,
  kInt8,
  kUint8,
  kUint16,
  kUint32,
  kUint64,  // to here
  kBool,
  kString,
  kOther,
};

const char* ElementName(Element element);
size_t ElementSize(Element element);  // 0 for strings and kOther

// An input or output of a model, as its file declares it.
struct ValueInfo {
  enum class Form : uint8_t {
    kTensor,
    kMaps,   // one map class → number per row: what a ZipMap operator makes
    kMap,    // one map for the whole call: what a DictVectorizer takes
    kOther,  // a type that this program does not read
  };
  std::string name;
  Form form = Form::kOther;
  Element element = Element::kOther;    // of the tensor, or of the maps' values
  Element map_key = Element::kOther;    // kMaps: kInt64 or kString
  std::vector<int64_t> shape;           // kTensor: with the row dimension, -1 = free
  std::vector<std::string> dimensions;  // kTensor: the names of free dimensions, or ""
  std::vector<std::string> classes;     // kMaps: the keys, if the file names them

  std::string ToString() const;  // "float32[N,4]", "map<string, float32>"
};

// What a model file declares about itself.
struct ModelSignature {
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::string producer;
  std::string graph;
  std::string description;
  int64_t version = 0;
  std::map<std::string, std::string> metadata;
};

struct OnnxValueDelete {
  void operator()(OrtValue* value) const;
};
using OnnxValue = std::unique_ptr<OrtValue, OnnxValueDelete>;

// A tensor over the caller's memory, which must outlive it.
Result<OnnxValue> MakeTensorView(Element element, void* data, std::span<const int64_t> shape);
// A tensor of strings, copied.
Result<OnnxValue> MakeStringTensor(std::span<const std::string_view> texts, std::span<const int64_t> shape);

// A numeric tensor that a call made; valid as long as the value.
struct TensorContent {
  Element element = Element::kOther;
  std::vector<int64_t> shape;
  size_t count = 0;
  const void* data = nullptr;
};
Status ReadTensor(const OrtValue& value, TensorContent* content);

// The strings of a tensor: one buffer, and count + 1 offsets into it.
struct StringContent {
  std::vector<int64_t> shape;
  std::string bytes;
  std::vector<size_t> offsets;

  size_t count() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  std::string_view text(size_t i) const { return {bytes.data() + offsets[i], offsets[i + 1] - offsets[i]}; }
};
Status ReadStrings(const OrtValue& value, StringContent* content);

// Maps of one call, row after row. Numbers as keys are written as text.
struct MapContent {
  std::vector<std::string> keys;  // of the first row; another row with other keys is an error
  size_t rows = 0;
  std::vector<float> values;  // rows × keys
};
Status ReadMaps(const OrtValue& value, MapContent* content);

// A loaded model. One call at a time, except Terminate().
class OnnxSession {
 public:
  // `bytes` must outlive the session. `optimise` false: quick to load, for reading the signature.
  // Makes no threads: a call runs on the thread of its caller. Errors: kUnavailable (no library), kInvalid (no model).
  static Result<std::unique_ptr<OnnxSession>> Load(std::span<const char> bytes, bool optimise);
  // Another session over a loaded model, for another thread: their calls may run at the same time.
  static Result<std::unique_ptr<OnnxSession>> Share(std::shared_ptr<OrtSession> loaded);
  const std::shared_ptr<OrtSession>& loaded() const { return session_; }
  ~OnnxSession();
  OnnxSession(const OnnxSession&) = delete;
  OnnxSession& operator=(const OnnxSession&) = delete;

  Result<ModelSignature> Signature() const;

  // Runs the model. The runtime allocates the outputs that are null; the others are written in place and must have the
  // right shape. kStage with the runtime's text when it refuses; outputs that the runtime allocated are then freed.
  Status Run(std::span<const char* const> input_names, std::span<const OrtValue* const> inputs,
             std::span<const char* const> output_names, std::span<OrtValue*> outputs);

  // Makes a running call and later ones fail soon, until ResumeCalls(). Any thread.
  void Terminate();
  void ResumeCalls();

 private:
  OnnxSession() = default;
  Status MakeRunOptions();
  std::shared_ptr<OrtSession> session_;
  OrtRunOptions* run_options_ = nullptr;
};

}  // namespace anabranch
