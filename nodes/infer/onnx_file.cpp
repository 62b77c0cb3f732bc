#include "nodes/infer/onnx_file.h"

#include <cstdint>

namespace anabranch {
namespace {

// Field numbers of onnx.proto.
constexpr uint32_t kModelGraph = 7;
constexpr uint32_t kGraphNode = 1;
constexpr uint32_t kGraphInitializer = 5;
constexpr uint32_t kNodeOutput = 2;
constexpr uint32_t kNodeOpType = 4;
constexpr uint32_t kNodeAttribute = 5;
constexpr uint32_t kAttributeName = 1;
constexpr uint32_t kAttributeTensor = 5;
constexpr uint32_t kAttributeGraph = 6;
constexpr uint32_t kAttributeInts = 8;
constexpr uint32_t kAttributeStrings = 9;
constexpr uint32_t kTensorExternalData = 13;
constexpr uint32_t kEntryKey = 1;
constexpr uint32_t kEntryValue = 2;
constexpr int kMaxDepth = 16;

// One message's fields, in order.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  uint32_t number = 0;
  uint64_t integer = 0;   // of a varint
  std::string_view text;  // of a length-delimited field; empty otherwise
  bool delimited = false;

  bool Next() {
    uint64_t tag = 0;
    if (rest_.empty() || !Varint(&tag)) return false;
    number = static_cast<uint32_t>(tag >> 3);
    text = {};
    delimited = (tag & 7) == 2;
    switch (tag & 7) {
      case 0: return Varint(&integer);
      case 1: return Skip(8);
      case 5: return Skip(4);
      case 2: {
        uint64_t size = 0;
        if (!Varint(&size) || size > rest_.size()) return false;
        text = rest_.substr(0, size);
        return Skip(size);
      }
      default: return false;
    }
  }

  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }
  bool empty() const { return rest_.empty(); }

 private:
  bool Skip(uint64_t size) {
    if (size > rest_.size()) return false;
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

void ReadTensor(std::string_view tensor, OnnxFileFacts* facts) {
  for (Fields field(tensor); field.Next();) {
    if (field.number != kTensorExternalData || !facts->external_data.empty()) continue;
    std::string_view key;
    std::string_view value;
    for (Fields entry(field.text); entry.Next();) {
      if (entry.number == kEntryKey) key = entry.text;
      if (entry.number == kEntryValue) value = entry.text;
    }
    if (key == "location") facts->external_data = value;
  }
}

void ReadGraph(std::string_view graph, int depth, OnnxFileFacts* facts);

struct Attribute {
  std::string_view name;
  std::vector<std::string> values;
};

Attribute ReadAttribute(std::string_view attribute, int depth, OnnxFileFacts* facts) {
  Attribute result;
  for (Fields field(attribute); field.Next();) {
    if (field.number == kAttributeName) {
      result.name = field.text;
    } else if (field.number == kAttributeTensor) {
      ReadTensor(field.text, facts);
    } else if (field.number == kAttributeGraph) {
      ReadGraph(field.text, depth + 1, facts);
    } else if (field.number == kAttributeStrings) {
      result.values.emplace_back(field.text);
    } else if (field.number == kAttributeInts && !field.delimited) {
      result.values.push_back(std::to_string(static_cast<int64_t>(field.integer)));
    } else if (field.number == kAttributeInts) {
      uint64_t integer = 0;
      for (Fields packed(field.text); !packed.empty() && packed.Varint(&integer);) {
        result.values.push_back(std::to_string(static_cast<int64_t>(integer)));
      }
    }
  }
  return result;
}

void ReadNode(std::string_view node, int depth, OnnxFileFacts* facts) {
  std::string_view type;
  std::string_view output;
  std::vector<std::string> classes;
  for (Fields field(node); field.Next();) {
    if (field.number == kNodeOpType) type = field.text;
    if (field.number == kNodeOutput) output = field.text;
    if (field.number != kNodeAttribute) continue;
    Attribute attribute = ReadAttribute(field.text, depth, facts);
    if (attribute.name.starts_with("classlabels_") && !attribute.values.empty()) classes = std::move(attribute.values);
  }
  if (type == "ZipMap") facts->classes[std::string(output)] = std::move(classes);
}

void ReadGraph(std::string_view graph, int depth, OnnxFileFacts* facts) {
  if (depth > kMaxDepth) return;
  for (Fields field(graph); field.Next();) {
    if (field.number == kGraphNode) ReadNode(field.text, depth, facts);
    if (field.number == kGraphInitializer) ReadTensor(field.text, facts);
  }
}

}  // namespace

OnnxFileFacts ReadOnnxFileFacts(std::string_view bytes) {
  OnnxFileFacts facts;
  for (Fields field(bytes); field.Next();) {
    if (field.number == kModelGraph) ReadGraph(field.text, 0, &facts);
  }
  return facts;
}

}  // namespace anabranch
