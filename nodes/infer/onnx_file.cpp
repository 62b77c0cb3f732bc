#include "nodes/infer/onnx_file.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <iterator>
#include <optional>
#include <set>

#include "engine/printable.h"
#include "nodes/infer/wire.h"

namespace anabranch {
namespace {

constexpr int kMaxDepth = 100;  // of messages, as in other readers of protocol buffers
constexpr uint64_t kMaxBytes = uint64_t{2} << 30;

// The messages of onnx.proto that can contain a tensor, and how they nest.
enum class Message : uint8_t { kModel, kTraining, kFunction, kGraph, kNode, kAttribute, kSparse, kTensor };

struct Part {
  Message of;
  uint32_t field;
  Message is;
  bool single;  // may occur once: readers would merge two
};

constexpr Part kParts[] = {
    {Message::kModel, 7, Message::kGraph, true},          {Message::kModel, 20, Message::kTraining, false},
    {Message::kModel, 25, Message::kFunction, false},     {Message::kTraining, 1, Message::kGraph, true},
    {Message::kTraining, 2, Message::kGraph, true},       {Message::kFunction, 7, Message::kNode, false},
    {Message::kFunction, 11, Message::kAttribute, false}, {Message::kGraph, 1, Message::kNode, false},
    {Message::kGraph, 5, Message::kTensor, false},        {Message::kGraph, 15, Message::kSparse, false},
    {Message::kNode, 5, Message::kAttribute, false},      {Message::kAttribute, 5, Message::kTensor, true},
    {Message::kAttribute, 6, Message::kGraph, true},      {Message::kAttribute, 10, Message::kTensor, false},
    {Message::kAttribute, 11, Message::kGraph, false},    {Message::kAttribute, 22, Message::kSparse, true},
    {Message::kAttribute, 23, Message::kSparse, false},   {Message::kSparse, 1, Message::kTensor, true},
    {Message::kSparse, 2, Message::kTensor, true},
};

const Part* PartAt(Message of, const WireFields& field) {
  if (!field.delimited) return nullptr;
  const auto found =
      std::ranges::find_if(kParts, [&](const Part& part) { return part.of == of && part.field == field.number; });
  return found == std::end(kParts) ? nullptr : found;
}

constexpr uint32_t kModelIrVersion = 1;
constexpr uint32_t kNodeInput = 1;
constexpr uint32_t kNodeOutput = 2;
constexpr uint32_t kNodeName = 3;
constexpr uint32_t kNodeOpType = 4;
constexpr uint32_t kNodeAttribute = 5;
constexpr uint32_t kNodeDomain = 7;
constexpr uint32_t kAttributeName = 1;
constexpr uint32_t kAttributeTensor = 5;
constexpr uint32_t kAttributeInts = 8;
constexpr uint32_t kAttributeStrings = 9;
constexpr uint32_t kTensorType = 2;
constexpr uint32_t kTensorInt32s = 5;
constexpr uint32_t kTensorName = 8;
constexpr uint32_t kTensorRaw = 9;
constexpr uint32_t kTensorExternalData = 13;
constexpr uint32_t kTensorDataLocation = 14;
constexpr uint32_t kEntryKey = 1;
constexpr uint32_t kEntryValue = 2;
constexpr uint64_t kBoolTensor = 9;
constexpr uint64_t kExternal = 1;

Status Invalid(const std::string& text) { return {Code::kInvalid, Printable(text, 512)}; }

// ------------------------------------------------------------------ tensors in other files

Status ReadEntry(std::string_view message, ExternalTensor* tensor, std::set<std::string>* keys) {
  std::string key;
  std::string value;
  WireFields field(message);
  while (field.Next()) {
    if (field.number == kEntryKey) key = field.text;
    if (field.number == kEntryValue) value = field.text;
  }
  const std::string of = "tensor \"" + tensor->tensor + "\" stores its values in another file, and its \"" + key + "\"";
  if (!field.ok() || !keys->insert(key).second) return Invalid(of + " is damaged or occurs twice");
  if (key == "location") {
    tensor->location = value;
  } else if (key == "offset" || key == "length") {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0) {
      return Invalid(of + " is \"" + value + "\", not a number of bytes");
    }
    if (key == "offset") tensor->offset = static_cast<uint64_t>(number);
    if (key == "length") tensor->length = number;
  } else if (key != "checksum") {
    return Invalid(of + " is not known; known: location, offset, length, checksum");
  }
  return Status::Ok();
}

// Does nothing for a tensor that holds its own values. The message is well-formed.
Result<std::optional<ExternalTensor>> ReadExternal(std::string_view message) {
  ExternalTensor tensor;
  uint64_t location = 0;
  std::vector<std::string_view> entries;
  for (WireFields field(message); field.Next();) {
    if (field.number == kTensorName) tensor.tensor = field.text;
    if (field.number == kTensorExternalData) entries.push_back(field.text);
    if (field.number == kTensorDataLocation) location = field.integer;
  }
  if (location == 0 && entries.empty()) return std::optional<ExternalTensor>();
  std::set<std::string> keys;
  for (const std::string_view entry : entries) RETURN_IF_ERROR(ReadEntry(entry, &tensor, &keys));
  if (location != kExternal || tensor.location.empty()) {
    return Invalid("tensor \"" + tensor.tensor + "\" does not say which file stores its values");
  }
  return std::optional<ExternalTensor>(std::move(tensor));
}

// ------------------------------------------------------------------ facts

struct NodeText {
  std::string_view type;
  std::string_view name;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> attributes;
};

NodeText ReadNode(std::string_view message) {
  NodeText node;
  for (WireFields field(message); field.Next();) {
    switch (field.number) {
      case kNodeInput: node.inputs.push_back(field.text); break;
      case kNodeOutput: node.outputs.push_back(field.text); break;
      case kNodeName: node.name = field.text; break;
      case kNodeOpType: node.type = field.text; break;
      case kNodeDomain: node.domain = field.text; break;
      case kNodeAttribute: node.attributes.push_back(field.text); break;
      default: break;
    }
  }
  return node;
}

// The values of a ZipMap's "classlabels_…".
std::vector<std::string> ClassesOf(const NodeText& node) {
  std::vector<std::string> classes;
  for (const std::string_view attribute : node.attributes) {
    std::string_view name;
    std::vector<std::string> values;
    for (WireFields field(attribute); field.Next();) {
      if (field.number == kAttributeName) name = field.text;
      if (field.number == kAttributeStrings) values.emplace_back(field.text);
      if (field.number != kAttributeInts) continue;
      if (!field.delimited) values.push_back(std::to_string(static_cast<int64_t>(field.integer)));
      uint64_t integer = 0;
      for (std::string_view packed = field.text; !packed.empty() && WireFields::Varint(&packed, &integer);) {
        values.push_back(std::to_string(static_cast<int64_t>(integer)));
      }
    }
    if (name.starts_with("classlabels_") && !values.empty()) classes = std::move(values);
  }
  return classes;
}

bool IsFalse(std::string_view tensor) {
  uint64_t type = 0;
  std::string_view values;
  for (WireFields field(tensor); field.Next();) {
    if (field.number == kTensorType) type = field.integer;
    if (field.number == kTensorRaw || (field.number == kTensorInt32s && field.delimited)) values = field.text;
    if (field.number == kTensorInt32s && !field.delimited && field.integer != 0) return false;
  }
  return type == kBoolTensor && values.find_first_not_of('\0') == std::string_view::npos;
}

bool IsFalseConstant(const NodeText& node) {
  if (node.type != "Constant" || node.attributes.size() != 1) return false;
  for (WireFields field(node.attributes[0]); field.Next();) {
    if (field.number == kAttributeTensor) return IsFalse(field.text);
  }
  return false;
}

// Operators whose results differ from call to call. Dropout counts only in training mode.
bool DrawsNumbers(const NodeText& node) {
  static constexpr std::string_view kStandard[] = {"RandomNormal",      "RandomNormalLike", "RandomUniform",
                                                   "RandomUniformLike", "Multinomial",      "Bernoulli"};
  if (node.domain.empty() || node.domain == "ai.onnx") return std::ranges::count(kStandard, node.type) != 0;
  return node.domain == "com.microsoft" && node.type == "Sampling";
}

// Dropout's training mode is its third input; in its variants it is the last of five.
std::string_view TrainingMode(const NodeText& node) {
  static constexpr std::string_view kDropouts[] = {"Dropout", "BitmaskDropout", "BiasDropout", "BitmaskBiasDropout"};
  if (std::ranges::count(kDropouts, node.type) == 0) return {};
  const size_t at = node.type.find("Bias") == std::string_view::npos ? 2 : 4;
  return node.inputs.size() > at ? node.inputs[at] : std::string_view();
}

class FactReader {
 public:
  Result<OnnxFileFacts> Read(std::string_view bytes) {
    RETURN_IF_ERROR(Walk(bytes, Message::kModel, 0));
    for (WireFields field(bytes); field.Next();) {
      if (field.number == kModelIrVersion) facts_.ir_version = static_cast<int64_t>(field.integer);
    }
    for (const auto& [mode, node] : dropouts_) {
      const bool off = false_.contains(mode) && !made_.contains(mode);
      if (!off && facts_.random.empty()) facts_.random = node + " in training mode";
    }
    return std::move(facts_);
  }

 private:
  Status Walk(std::string_view message, Message type, int depth) {
    if (depth > kMaxDepth) return Invalid("its graphs are nested too deeply");
    std::set<uint32_t> singles;
    WireFields field(message);
    while (field.Next()) {
      const Part* part = PartAt(type, field);
      if (part == nullptr) continue;
      if (part->single && !singles.insert(part->field).second) return Invalid("one of its parts occurs twice");
      RETURN_IF_ERROR(Walk(field.text, part->is, depth + 1));
      if (type == Message::kGraph && part->is == Message::kTensor) NoteInitialiser(field.text);
    }
    if (!field.ok()) return Invalid("its bytes are not a protocol buffer");
    if (type == Message::kNode) NoteNode(ReadNode(message));
    if (type != Message::kTensor) return Status::Ok();
    ASSIGN_OR_RETURN(auto external, ReadExternal(message));
    if (external) facts_.external.push_back(*std::move(external));
    return Status::Ok();
  }

  void NoteInitialiser(std::string_view tensor) {
    std::string_view name;
    for (WireFields field(tensor); field.Next();) {
      if (field.number == kTensorName) name = field.text;
    }
    (IsFalse(tensor) ? false_ : made_).insert(name);
  }

  void NoteNode(const NodeText& node) {
    for (const std::string_view output : node.outputs) (IsFalseConstant(node) ? false_ : made_).insert(output);
    if (node.type == "ZipMap" && !node.outputs.empty()) {
      facts_.classes[std::string(node.outputs.back())] = ClassesOf(node);
    }
    const std::string called =
        "operator " + std::string(node.type) + (node.name.empty() ? "" : " \"" + std::string(node.name) + "\"");
    if (facts_.random.empty() && DrawsNumbers(node)) facts_.random = called;
    if (const std::string_view mode = TrainingMode(node); !mode.empty()) dropouts_.emplace_back(mode, called);
  }

  OnnxFileFacts facts_;
  std::set<std::string_view> false_;                                // names of flags that are always false
  std::set<std::string_view> made_;                                 // names of all other values
  std::vector<std::pair<std::string_view, std::string>> dropouts_;  // training mode, operator
};

// ------------------------------------------------------------------ inserting data

// Bytes that are spread over several places in memory, in order.
struct Rope {
  std::vector<std::string_view> pieces;
  uint64_t size = 0;

  void Add(std::string_view piece) {
    pieces.push_back(piece);
    size += piece.size();
  }
  void Add(const Rope& other) {
    pieces.insert(pieces.end(), other.pieces.begin(), other.pieces.end());
    size += other.size;
  }
};

std::string VarintBytes(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

class DataPlacer {
 public:
  explicit DataPlacer(const std::map<std::string, std::string>& files) : files_(files) {}

  Result<std::string> Place(std::string_view bytes) {
    ASSIGN_OR_RETURN(const Rope rope, Rewrite(bytes, Message::kModel));
    if (rope.size > kMaxBytes) return Invalid("the model and its data files together are longer than 2 GiB");
    std::string whole;
    whole.reserve(rope.size);
    for (const std::string_view piece : rope.pieces) whole += piece;
    return whole;
  }

 private:
  Result<Rope> Rewrite(std::string_view message, Message type) {
    Rope rope;
    if (type == Message::kTensor) {
      ASSIGN_OR_RETURN(const auto external, ReadExternal(message));
      if (external) return Tensor(message, *external);
      rope.Add(message);
      return rope;
    }
    for (WireFields field(message); field.Next();) {
      const Part* part = PartAt(type, field);
      if (part == nullptr) {
        rope.Add(field.whole);
        continue;
      }
      ASSIGN_OR_RETURN(const Rope inner, Rewrite(field.text, part->is));
      AddField(field.number, inner, &rope);
    }
    return rope;
  }

  Result<Rope> Tensor(std::string_view message, const ExternalTensor& tensor) {
    const std::string& file = files_.at(tensor.location);
    const uint64_t length = tensor.length >= 0 ? static_cast<uint64_t>(tensor.length)
                                               : file.size() - std::min<uint64_t>(tensor.offset, file.size());
    if (tensor.offset > file.size() || length > file.size() - tensor.offset) {
      return Invalid("tensor \"" + tensor.tensor + "\" needs " + std::to_string(length) + " bytes from byte " +
                     std::to_string(tensor.offset) + " of \"" + tensor.location + "\", which has " +
                     std::to_string(file.size()) + ": the data file belongs to another model, or is incomplete");
    }
    Rope rope;
    for (WireFields field(message); field.Next();) {
      if (field.number != kTensorExternalData && field.number != kTensorDataLocation) rope.Add(field.whole);
    }
    Rope data;
    data.Add(std::string_view(file).substr(tensor.offset, length));
    AddField(kTensorRaw, data, &rope);
    return rope;
  }

  void AddField(uint32_t number, const Rope& content, Rope* rope) {
    owned_.push_back(VarintBytes((uint64_t{number} << 3) | 2) + VarintBytes(content.size));
    rope->Add(owned_.back());
    rope->Add(content);
  }

  const std::map<std::string, std::string>& files_;
  std::deque<std::string> owned_;
};

}  // namespace

Result<OnnxFileFacts> ReadOnnxFileFacts(std::string_view bytes) { return FactReader().Read(bytes); }

Result<std::string> WithExternalData(std::string_view bytes, const std::map<std::string, std::string>& files) {
  return DataPlacer(files).Place(bytes);
}

}  // namespace anabranch
