#include "engine/codec/key_tree.h"

#include <algorithm>

namespace anabranch {
namespace {

constexpr size_t kMaxLearnt = 256;     // unnamed keys per object, so that hostile records take no memory
constexpr size_t kMaxLearntKey = 128;  // bytes

KeyNode::Entry& FindOrAdd(KeyNode& node, const std::string& key) {
  if (KeyNode::Entry* entry = node.Get(key)) return *entry;
  KeyNode::Entry& entry = node.Add(key);
  entry.known = true;
  return entry;
}

KeyNode& Descend(KeyNode& root, const std::vector<std::string>& steps, size_t count) {
  KeyNode* node = &root;
  for (size_t i = 0; i < count; ++i) {
    KeyNode::Entry& entry = FindOrAdd(*node, steps[i]);
    if (entry.object == nullptr) {
      entry.object = std::make_unique<KeyNode>();
      entry.object->depth = static_cast<uint8_t>(std::min<size_t>(i + 1, 15));
    }
    node = entry.object.get();
  }
  return *node;
}

void AddObjects(const RecordSchema& schema, KeyNode& root) {
  for (const SchemaObject& object : schema.objects()) {
    KeyNode& node = Descend(root, object.steps, object.steps.size());
    node.closed = object.closed;
    node.null_allowed = object.null_allowed;
    for (const std::string& key : object.unread) FindOrAdd(node, key);
    if (object.steps.empty()) continue;
    KeyNode& parent = Descend(root, object.steps, object.steps.size() - 1);
    FindOrAdd(parent, object.steps.back()).required = object.required;
  }
}

// Drops what needs no visit; true when the object is worth descending into.
bool Settle(KeyNode& node) {
  bool visit = node.closed;
  for (KeyNode::Entry& entry : node.entries()) {
    if (entry.use == KeyNode::Use::kLeaf) {
      ++node.wanted;
      node.slots_below.push_back(entry.slot);
      continue;
    }
    if (entry.object == nullptr) continue;
    if (!Settle(*entry.object)) {
      entry.object = nullptr;
      continue;
    }
    entry.use = KeyNode::Use::kObject;
    ++node.wanted;
    const std::vector<uint32_t>& below = entry.object->slots_below;
    node.slots_below.insert(node.slots_below.end(), below.begin(), below.end());
    visit = true;
  }
  return visit || node.wanted != 0;
}

}  // namespace

KeyNode::Entry& KeyNode::Append(std::string_view key) {
  Entry& entry = entries_.emplace_back();
  entry.key = key;
  const size_t head = std::min<size_t>(key.size(), 8);
  std::memcpy(&entry.head, key.data(), head);
  std::memset(&entry.head_mask, 0xFF, head);
  by_key_.emplace(entry.key, &entry);
  return entry;
}

KeyNode::Entry& KeyNode::Add(std::string_view key) {
  Entry* last = entries_.empty() ? nullptr : &entries_.back();
  Entry& entry = Append(key);
  (last == nullptr ? first_ : last->next) = &entry;
  return entry;
}

KeyNode::Entry* KeyNode::Get(std::string_view key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

KeyNode::Entry* KeyNode::Lookup(std::string_view key) {
  if (Entry* entry = Get(key)) return entry;
  if (learnt_ == kMaxLearnt || key.size() > kMaxLearntKey || closed) return nullptr;
  ++learnt_;
  return &Append(key);
}

std::unique_ptr<KeyNode> MakeKeyTree(const DecodePlan& plan) {
  auto root = std::make_unique<KeyNode>();
  AddObjects(*plan.schema, *root);
  for (const SchemaField& field : plan.schema->fields()) {
    KeyNode& node = Descend(*root, field.steps, field.steps.size() - 1);
    FindOrAdd(node, field.steps.back()).required = field.required_here;
  }
  for (size_t i = 0; i < plan.fields.size(); ++i) {
    const SchemaField& field = plan.schema->fields()[plan.fields[i].index];
    KeyNode& node = Descend(*root, field.steps, field.steps.size() - 1);
    KeyNode::Entry& entry = FindOrAdd(node, field.steps.back());
    entry.use = KeyNode::Use::kLeaf;
    entry.slot = static_cast<uint32_t>(i);
  }
  Settle(*root);
  return root;
}

}  // namespace anabranch
