#include <algorithm>

#include "engine/codec/cell_slot.h"
#include "engine/codec/decoder.h"
#include "engine/codec/json_text.h"
#include "engine/codec/json_walk.h"
#include "engine/codec/key_tree.h"
#include "engine/codec/row_faults.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

class JsonDecoder final : public Decoder {
 public:
  explicit JsonDecoder(DecodePlan plan) : plan_(std::move(plan)), root_(MakeKeyTree(plan_)), walk_(plan_.max_depth) {
    for (const DecodePlan::Field& field : plan_.fields) {
      slots_.emplace_back(plan_.schema->fields()[field.index], field);
      if (slots_.back().form == CellSlot::Form::kList) lists_.push_back(slots_.size() - 1);
    }
  }

  void Decode(RecordBatch& batch) override {
    for (CellSlot& slot : slots_) slot.Begin(batch);
    RowFaults faults(batch);
    for (row_ = 0; row_ < batch.rows(); ++row_) {
      if (faults.Wanted(row_) && !Record(batch.payload[row_])) {
        for (CellSlot& slot : slots_) slot.states[row_] = kNull;
        faults.Fail(row_, walk_.code(), std::move(walk_.message()));
      }
      for (size_t list : lists_) slots_[list].column->EndListRow();
    }
  }

 private:
  bool Record(std::string_view payload) {
    ++record_;
    return walk_.Begin(payload) && Object(*root_) && walk_.End();
  }

  bool Object(KeyNode& node) {
    if (!walk_.Enter()) return false;
    walk_.Advance();
    uint32_t found = 0;
    if (walk_.Peek() == '}') {
      walk_.Advance();
    } else if (!Members(node, &found)) {
      return false;
    }
    walk_.Leave();
    if (found != node.wanted) MarkMissing(node);
    return true;
  }

  bool Members(KeyNode& node, uint32_t* found) {
    KeyNode::Entry* previous = nullptr;
    while (true) {
      std::string_view key;
      const char* wide = walk_.wide();
      if (!walk_.Key(&key) || !Unescape(&key, &wide)) return false;
      KeyNode::Entry* entry = node.Find(key, previous, wide);
      if (entry != nullptr) previous = entry;
      if (node.closed && (entry == nullptr || !entry->known)) return Unknown(node, key);
      if (entry == nullptr || entry->use == KeyNode::Use::kIgnored) {
        if (!walk_.Skip()) return false;
      } else {
        if (entry->seen == record_) return Twice(key);
        entry->seen = record_;
        ++*found;
        if (!(entry->use == KeyNode::Use::kLeaf ? Leaf(slots_[entry->slot]) : Nested(*entry->object))) return false;
      }
      const char behind = walk_.Take();
      if (behind == '}') return true;
      if (behind != ',') return walk_.Broken("neither a comma nor the end of the object before");
    }
  }

  bool Unescape(std::string_view* key, const char** wide) {
    if (!walk_.has_escapes() || key->find('\\') == std::string_view::npos) return true;
    key_.resize(key->size());
    size_t length = 0;
    if (!UnescapeJson(*key, key_.data(), &length)) return walk_.BadEscape();
    *key = std::string_view(key_).substr(0, length);
    *wide = nullptr;
    return true;
  }

  bool Twice(std::string_view key) {
    return walk_.Fail("duplicate_key", "the key \"" + Cut(key) + "\" stands twice in one object");
  }

  bool Unknown(KeyNode& node, std::string_view key) {
    std::vector<std::string> known;
    for (const KeyNode::Entry& entry : node.entries()) {
      if (entry.known) known.push_back(entry.key);
    }
    const std::string hint = Suggest(key, known);
    return walk_.Fail("unknown_key", "the key \"" + Cut(key) + "\" is not in the schema, which allows no others" +
                                         (hint.empty() ? "" : "; " + hint));
  }

  static std::string Cut(std::string_view text) { return std::string(CutText(text, 64)); }

  bool Nested(KeyNode& node) {
    if (walk_.Token() == '{') return Object(node);
    const uint32_t* start = walk_.position();
    if (!walk_.Skip()) return false;
    const std::string_view text = walk_.Since(start);
    const bool absent = node.null_allowed && text == "null";
    for (uint32_t slot : node.slots_below) {
      slots_[slot].states[row_] = absent ? kMissing : kWrongType;
      if (!absent) slots_[slot].column->NoteMisfit(row_, CutText(text, kMisfitBytes));
    }
    return true;
  }

  void MarkMissing(KeyNode& node) {
    for (KeyNode::Entry& entry : node.entries()) {
      if (entry.use == KeyNode::Use::kIgnored || entry.seen == record_) continue;
      const uint8_t state =
          entry.required ? static_cast<uint8_t>(kMissingRequired | (node.depth << 4)) : static_cast<uint8_t>(kMissing);
      if (entry.use == KeyNode::Use::kLeaf) {
        slots_[entry.slot].states[row_] = state;
      } else {
        for (uint32_t slot : entry.object->slots_below) slots_[slot].states[row_] = state;
      }
    }
  }

  bool Leaf(CellSlot& slot) {
    const uint32_t* start = walk_.position();
    CellState state = kWrongType;
    if (slot.TakesNumber()) {
      ScannedNumber number;
      if (walk_.TryNumber(&number)) return Settle(slot, start, slot.StoreNumber(row_, number));
    } else if (slot.TakesText()) {
      std::string_view text;
      if (walk_.TryString(&text)) {
        if (!Owned(slot, &text)) return false;
        return Settle(slot, start, slot.StoreText(row_, text));
      }
    } else if (slot.form == CellSlot::Form::kBool) {
      const bool yes = walk_.Token() == 't';
      if (walk_.TryLiteral(yes ? "true" : "false")) {
        *slot.Cells<uint8_t>(row_) = yes ? 1 : 0;
        return Settle(slot, start, kValid);
      }
    } else if (walk_.Token() == '[') {
      if (slot.form == CellSlot::Form::kJson) return PassOn(slot, start);
      state = Array(slot);
      if (state == kValid) return Settle(slot, start, kValid);
      walk_.Return(start);
    }
    return Misfit(slot, start, state);
  }

  // Proven, not read.
  bool PassOn(CellSlot& slot, const uint32_t* start) {
    if (!walk_.Skip()) return false;
    *slot.Cells<std::string_view>(row_) = CompactJson(walk_.Since(start), &slot.column->text());
    return Settle(slot, start, kValid);
  }

  bool Settle(CellSlot& slot, const uint32_t* start, CellState state) {
    slot.states[row_] = state;
    if (state != kValid) [[unlikely]]
      slot.column->NoteMisfit(row_, CutText(walk_.Since(start), kMisfitBytes));
    return true;
  }

  // Null, or a value that the slot does not take: passed, so that the rest of the record is proven.
  bool Misfit(CellSlot& slot, const uint32_t* start, CellState state) {
    if (!walk_.Skip()) return false;
    const bool null = walk_.Since(start) == "null";
    slot.states[row_] = null ? kNull : state;
    if (!null) slot.column->NoteMisfit(row_, CutText(walk_.Since(start), kMisfitBytes));
    return true;
  }

  // A text without escapes stays in the payload.
  bool Owned(CellSlot& slot, std::string_view* text) {
    if (!walk_.has_escapes() || text->find('\\') == std::string_view::npos) return true;
    return UnescapeJson(*text, &slot.column->text(), text) || walk_.BadEscape();
  }

  CellState Array(CellSlot& slot) {
    const bool list = slot.form == CellSlot::Form::kList;
    switch (slot.type.element) {
      case Kind::kFloat32: return list ? List<float>(slot) : Tensor(slot, slot.Cells<float>(row_));
      case Kind::kFloat64: return list ? List<double>(slot) : Tensor(slot, slot.Cells<double>(row_));
      case Kind::kInt64: return list ? List<int64_t>(slot) : Tensor(slot, slot.Cells<int64_t>(row_));
      case Kind::kString: return list ? List<std::string_view>(slot) : kWrongType;
      case Kind::kBool: return list ? List<uint8_t>(slot) : kWrongType;
      default: return kWrongType;
    }
  }

  template <typename T>
  CellState List(CellSlot& slot) {
    walk_.Advance();
    if (walk_.Token() == ']') {
      walk_.Advance();
      return kValid;
    }
    while (true) {
      T value{};
      const CellState state = Element(slot, &value);
      if (state != kValid) return state;
      slot.column->PushListValue(value);
      const char behind = walk_.Take();
      if (behind == ']') return kValid;
      if (behind != ',') return kWrongType;
    }
  }

  template <typename T>
  CellState Number(T* value) {
    ScannedNumber number;
    return walk_.TryNumber(&number) ? ReadElement(number, value) : kWrongType;
  }

  template <typename T>
  CellState Element(CellSlot& /*slot*/, T* value) {
    return Number(value);
  }
  CellState Element(CellSlot& slot, std::string_view* value) {
    return walk_.TryString(value) && Owned(slot, value) ? kValid : kWrongType;
  }
  CellState Element(CellSlot& /*slot*/, uint8_t* value) {
    *value = walk_.Token() == 't' ? 1 : 0;
    return walk_.TryLiteral(*value != 0 ? "true" : "false") ? kValid : kWrongType;
  }

  template <typename T>
  CellState Tensor(CellSlot& slot, T* out) {
    return Level(slot.type.shape.data(), slot.type.shape.data() + slot.type.shape.size(), &out);
  }

  // The array at the cursor has shape[0] elements, each of the shape behind.
  template <typename T>
  CellState Level(const int64_t* shape, const int64_t* shape_end, T** out) {
    if (shape + 1 == shape_end) return Numbers(*shape, out);
    if (walk_.Token() != '[') return kWrongType;
    walk_.Advance();
    for (int64_t i = *shape; i > 0; --i) {
      const CellState state = Level(shape + 1, shape_end, out);
      if (state != kValid) return state;
      if (walk_.Take() != (i == 1 ? ']' : ',')) return kWrongType;
    }
    return kValid;
  }

  template <typename T>
  CellState Numbers(int64_t count, T** out) {
    const auto store = [to = *out](const ScannedNumber& number, int64_t i) {
      return ReadElement(number, to + i) == kValid;
    };
    if (!walk_.TryNumbers(count, store)) return NumbersOneByOne(count, *out);
    *out += count;
    return kValid;
  }

  // For arrays with a fault: tells the one that comes first.
  template <typename T>
  [[gnu::noinline]] CellState NumbersOneByOne(int64_t count, T* out) {
    if (walk_.Token() != '[') return kWrongType;
    walk_.Advance();
    for (; count > 0; --count, ++out) {
      const CellState state = Number(out);
      if (state != kValid) return state;
      if (walk_.Take() != (count == 1 ? ']' : ',')) return kWrongType;
    }
    return kValid;
  }

  const DecodePlan plan_;
  std::unique_ptr<KeyNode> root_;
  JsonWalk walk_;
  std::vector<CellSlot> slots_;
  std::vector<size_t> lists_;
  std::string key_;
  uint64_t record_ = 0;
  uint32_t row_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> MakeJsonDecoder(DecodePlan plan) { return std::make_unique<JsonDecoder>(std::move(plan)); }

}  // namespace anabranch
