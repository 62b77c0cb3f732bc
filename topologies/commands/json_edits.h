#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/config.h"
#include "topologies/trial/judge.h"

namespace anabranch {

// Edits of a JSON text with comments, by the places of its tree. Bytes that no edit is about stay as they are. The text
// and the tree outlive the object.
class JsonEdits {
 public:
  explicit JsonEdits(const std::string& text) : text_(text) {}

  void Replace(const ConfigValue& at, const RecordedValue& value) { replaced_[&at] = value; }
  // An item of a list, or a member of an object.
  void Remove(const ConfigValue& at) { inside_[at.parent].removed.insert(&at); }
  // Behind the item `behind`; null: before all others.
  void AddItem(const ConfigValue& list, const ConfigValue* behind, const RecordedValue& value);
  // Behind the last member. A second one of the same name is not added.
  void AddMember(const ConfigValue& object, const std::string& name, const RecordedValue& value);
  // The same with an object as its value: these members.
  struct Member {
    std::string name;
    RecordedValue value;
  };
  void AddMember(const ConfigValue& object, const std::string& name, std::vector<Member> members);

  std::string Apply() const;

 private:
  struct Addition {
    const ConfigValue* behind = nullptr;
    std::string name;  // of a member
    RecordedValue value;
    std::vector<Member> members;  // not empty: they are the value
  };
  struct Inside {
    std::set<const ConfigValue*> removed;
    std::vector<Addition> added;
  };
  // Bytes and what takes their place; sorted by both ends.
  using Changes = std::map<std::pair<size_t, size_t>, std::string>;

  void Change(const ConfigValue& container, const Inside& inside, Changes* changes) const;
  void ChangeWhole(const ConfigValue& container, const Inside& inside, Changes* changes) const;
  void TakeOut(const ConfigValue& container, const Inside& inside, Changes* changes) const;
  std::string TextOf(const Addition& addition, const std::string& indent) const;
  std::string ColumnIndent(size_t at) const;
  std::string LineIndent(size_t at) const;
  bool FitsInLine(const ConfigValue& container, const std::string& addition) const;
  size_t BehindComma(size_t at) const;

  const std::string& text_;
  std::map<const ConfigValue*, RecordedValue> replaced_;
  std::map<const ConfigValue*, Inside> inside_;  // by the list or object
};

}  // namespace anabranch
