#include "nodes/infer/advice.h"

#include <algorithm>

namespace anabranch {
namespace {

constexpr const char* kExport =
    "export it in Python, of a scikit-learn model for instance: onnx.save(skl2onnx.to_onnx(model, "
    "X[:1].astype(numpy.float32), options={\"zipmap\": False}), \"model.onnx\"); docs/models.md has the line for each "
    "library";

// Bytes that identify a format, their offset, and what it is.
struct FormatMark {
  size_t at;
  std::string_view bytes;
  const char* what;
  const char* cure;
};

using namespace std::string_view_literals;

constexpr FormatMark kMarks[] = {
    {0, "\x80\x02"sv, "a Python pickle", kExport},
    {0, "\x80\x03"sv, "a Python pickle", kExport},
    {0, "\x80\x04"sv, "a Python pickle", kExport},
    {0, "\x80\x05"sv, "a Python pickle", kExport},
    {0, "\x1f\x8b"sv, "a gzip file",
     "unpack it; if a Python pickle is in it, export the model to ONNX (docs/models.md)"},
    {0, "PK\x03\x04"sv, "a zip archive, as PyTorch and Keras save models",
     "export it: torch.onnx.export(model, example, \"model.onnx\", dynamo=True); docs/models.md has the lines"},
    {0, "\x89HDF"sv, "an HDF5 file, as Keras saves models",
     "export it: tf2onnx.convert.from_keras(model, output_path=\"model.onnx\")"},
    {4, "ORTM"sv, "in ONNX Runtime's own format", "use the .onnx file that it was made from"},
    {4, "TFL3"sv, "a TensorFlow Lite model", "export it: python -m tf2onnx.convert --tflite MODEL --output model.onnx"},
    {0, "{L\0\0"sv, "an XGBoost model in its own format",
     "export it: onnxmltools.convert_xgboost(model, initial_types=[(\"X\", FloatTensorType([None, FEATURES]))])"},
    {0, "{\"learner\""sv, "an XGBoost model in its own format",
     "export it: onnxmltools.convert_xgboost(model, initial_types=[(\"X\", FloatTensorType([None, FEATURES]))])"},
    {0, "tree\n"sv, "a LightGBM model in its own format",
     "export it: onnxmltools.convert_lightgbm(model, initial_types=[(\"X\", FloatTensorType([None, FEATURES]))], "
     "zipmap=False)"},
    {0, "version https://git-lfs"sv, "a pointer of Git LFS", "fetch the real file: git lfs pull"},
    {0, "<"sv, "a page of HTML or XML", "fetch the model file itself"},
};

struct Advice {
  std::string_view sign;
  const char* cure;
};

constexpr Advice kAdvice[] = {
    {"operator (ZipMap)",
     "a ZipMap needs float32 probabilities: export from float32 rows, to_onnx(model, X[:1].astype(numpy.float32)), or "
     "without the ZipMap, to_onnx(model, X[:1], options={\"zipmap\": False})"},
    {"released onnx opset versions",
     "export for an older operator set: target_opset=17 (to_onnx), opset_version=17 "
     "(torch.onnx.export)"},
    {"Could not find an implementation",
     "the runtime supports this operator only for other types: export from float32 rows, X[:1].astype(numpy.float32)"},
    {"is not a registered function/op", "operators of other libraries cannot be loaded: export with standard ones"},
    {"No Op registered",
     "the operator is unknown, or newer than this runtime: export for an older operator set, "
     "target_opset=17"},
};

}  // namespace

ForeignFile RecogniseForeignFile(std::string_view bytes) {
  if (bytes.empty()) return {"empty", "copy or export it again"};
  for (const FormatMark& mark : kMarks) {
    if (bytes.size() > mark.at && bytes.substr(mark.at).starts_with(mark.bytes)) return {mark.what, mark.cure};
  }
  return {};
}

std::string WithoutSourcePlace(std::string_view text) {
  const size_t end = text.find(") ");
  if (text.starts_with("/onnxruntime_src/") && end != std::string_view::npos) text.remove_prefix(end + 2);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

std::string AdviceOnLoad(std::string_view text) {
  constexpr std::string_view kMost = "max supported IR version: ";
  if (const size_t at = text.find(kMost); at != std::string_view::npos) {
    return "convert the model for this runtime: set model.ir_version = " + std::string(text.substr(at + kMost.size())) +
           ", then onnx.save(model, \"model.onnx\")";
  }
  const auto advice =
      std::ranges::find_if(kAdvice, [&](const Advice& each) { return text.find(each.sign) != std::string_view::npos; });
  return advice == std::end(kAdvice) ? "" : advice->cure;
}

}  // namespace anabranch
