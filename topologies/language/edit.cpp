#include "topologies/language/edit.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

// Where an edit goes: a value that is there, or a new key of an object.
struct EditPlace {
  const ConfigValue* parent = nullptr;
  const ConfigValue* value = nullptr;  // null: new
  std::string key;
};

std::string LabelOf(const ConfigValue& value) {
  const std::string pointer = value.Pointer();
  return pointer.empty() ? "the file" : pointer;
}

std::vector<std::string> KeysOf(const ConfigValue& value) {
  std::vector<std::string> keys;
  for (const ConfigValue& member : value.children) {
    if (value.is_object()) keys.push_back(member.name);
  }
  return keys;
}

const ConfigValue* ItemOf(const ConfigValue& list, std::string_view index) {
  size_t at = 0;
  const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), at);
  const bool number = error == std::errc() && end == index.data() + index.size();
  return number && at < list.children.size() ? &list.children[at] : nullptr;
}

const ConfigValue* StepInto(const ConfigValue& value, std::string_view step) {
  return value.is_array() ? ItemOf(value, step) : value.Find(step);
}

// The next step of a dotted path. A key may have dots itself: the longest one that is there is meant.
std::string_view DottedStep(const ConfigValue& value, std::string_view path) {
  for (size_t end = path.size(); end != std::string_view::npos; end = end == 0 ? end - 1 : path.rfind('.', end - 1)) {
    if (StepInto(value, path.substr(0, end)) != nullptr) return path.substr(0, end);
  }
  return path.substr(0, path.find('.'));
}

std::string Unescaped(std::string_view step) {
  std::string text(step);
  for (const auto& [from, to] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) text.replace(at, 2, to);
  }
  return text;
}

// False after a fault.
bool FindPlace(const ConfigValue& root, const std::string& path, FaultSink& faults, EditPlace* place) {
  const bool pointer = path.starts_with('/');
  std::string_view rest = pointer ? std::string_view(path).substr(1) : std::string_view(path);
  const ConfigValue* at = &root;
  while (true) {
    const std::string_view raw = pointer ? rest.substr(0, rest.find('/')) : DottedStep(*at, rest);
    const std::string step = pointer ? Unescaped(raw) : std::string(raw);
    const bool last = raw.size() == rest.size();
    const ConfigValue* next = StepInto(*at, step);
    if (last && (next != nullptr || at->is_object())) {
      *place = {at, next, step};
      return true;
    }
    if (next == nullptr) {
      std::string hint = Suggest(step, KeysOf(*at));
      if (at->is_array()) hint = "it has " + std::to_string(at->children.size()) + " items, counted from 0";
      faults.AddAtPlace(FaultCode::kUnknownReference, Place{}, at->Pointer(),
                        "--set " + path + ": " + LabelOf(*at) + " has no \"" + step + "\"", std::move(hint));
      return false;
    }
    at = next;
    rest.remove_prefix(raw.size() + 1);
  }
}

// The value as JSON: as it stands where it is JSON, else as a string. A number or word in the place of a text is text,
// such as a version.
std::string ValueText(const std::string& value, const ConfigValue* before) {
  FaultSink ignored("");
  const std::unique_ptr<Topology> parsed = ParseTopology("", value, ignored);
  const bool json = parsed != nullptr && ignored.errors() == 0;
  const bool scalar = json && (parsed->root.is_number() || parsed->root.kind == ConfigValue::Kind::kBool);
  if (json && !(scalar && before != nullptr && before->is_string())) {
    const Place& at = parsed->root.place;  // without comments around it
    return value.substr(at.begin, at.end - at.begin);
  }
  std::string text;
  AppendJsonString(&text, value);
  return text;
}

// The text without one member of an object, and without the comma that belongs to it.
std::string WithoutMember(std::string text, const ConfigValue& object, const ConfigValue& member) {
  const auto index = static_cast<size_t>(&member - object.children.data());
  const bool last = index + 1 == object.children.size();
  const size_t begin = last && index > 0 ? object.children[index - 1].place.end : member.name_place.begin;
  const size_t end = last ? member.place.end : object.children[index + 1].name_place.begin;
  return text.erase(begin, end - begin);
}

std::string EditedText(const Topology& topology, const EditPlace& place, const std::string& value) {
  std::string text = topology.text;
  if (value == "null" && place.value != nullptr && place.parent->is_object()) {
    return WithoutMember(std::move(text), *place.parent, *place.value);
  }
  const std::string written = ValueText(value, place.value);
  if (place.value != nullptr) {
    const Place& at = place.value->place;
    return text.replace(at.begin, at.end - at.begin, written);
  }
  std::string member;
  AppendJsonString(&member, place.key);
  member += ": " + written;
  const std::vector<ConfigValue>& members = place.parent->children;
  if (members.empty()) return text.insert(place.parent->place.begin + 1, member);
  return text.insert(members.back().place.end, ", " + member);
}

}  // namespace

std::optional<TopologyEdit> ParseEdit(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return TopologyEdit{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::unique_ptr<Topology> ApplyEdits(std::unique_ptr<Topology> topology, const std::vector<TopologyEdit>& edits,
                                     FaultSink& faults) {
  for (const TopologyEdit& edit : edits) {
    if (topology == nullptr) return nullptr;
    if (!IsUtf8(edit.path) || !IsUtf8(edit.value)) {
      faults.AddAtPlace(FaultCode::kSyntax, Place{}, {}, "a --set is not UTF-8");
      return nullptr;
    }
    EditPlace place;
    if (!FindPlace(topology->root, edit.path, faults, &place)) return nullptr;
    topology = ParseTopology(topology->file, EditedText(*topology, place, edit.value), faults);
  }
  return topology;
}

}  // namespace anabranch
