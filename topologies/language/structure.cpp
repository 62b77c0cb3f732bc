#include "topologies/language/structure.h"

#include <algorithm>
#include <functional>

#include "topologies/language/topology_spec.h"

namespace anabranch {

namespace {

constexpr size_t kMaxNodes = 10'000;
constexpr size_t kMaxName = 200;  // topics, groups and files are named after it; they take 249 characters

ConfigValue* Member(ConfigValue& object, std::string_view name) { return const_cast<ConfigValue*>(object.Find(name)); }

// [a-z][a-z0-9]*, with `extra` allowed behind the first letter.
bool IsIdentifier(std::string_view text, char extra) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !text.empty() && lower(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return lower(c) || (c >= '0' && c <= '9') || c == extra;
  });
}

class StructureCheck {
 public:
  StructureCheck(ConfigValue& root, const Registry& registry, FaultSink& faults, bool tests)
      : root_(root), registry_(registry), faults_(faults), tests_(tests) {}

  Broken Run();

 private:
  void CheckHead();
  void ForEach(const char* section, const std::function<bool(ConfigValue&)>& check);
  bool CheckNode(ConfigValue& node);
  bool CheckSource(ConfigValue& source);
  bool CheckModel(ConfigValue& model);
  bool CheckModelForm(const ConfigValue& model);
  bool CheckConnection(ConfigValue& connection);
  bool CheckConnectorObject(ConfigValue& value, ConnectorUse use, const std::string& what);
  bool CheckConnectorMember(ConfigValue& member, ConnectorUse use, const std::string& what);
  void CheckId(const ConfigValue& entry, const char* what);
  bool CheckLength(const ConfigValue& at, const std::string& name, const std::string& what);

  ConfigValue& root_;
  const Registry& registry_;
  FaultSink& faults_;
  const bool tests_;
  Broken broken_;
};

void StructureCheck::CheckId(const ConfigValue& entry, const char* what) {
  CheckLength(entry, entry.name, std::string(what) + " id");
  if (IsIdentifier(entry.name, '_')) return;
  faults_.AddAtName(FaultCode::kBadValue, entry,
                    std::string(what) + " id \"" + entry.name + "\" is not of the form [a-z][a-z0-9_]*");
}

bool StructureCheck::CheckLength(const ConfigValue& at, const std::string& name, const std::string& what) {
  if (name.size() <= kMaxName) return true;
  faults_.Add(FaultCode::kTooLarge, at,
              "the " + what + " has " + std::to_string(name.size()) + " characters; it can have at most " +
                  std::to_string(kMaxName));
  return false;
}

void StructureCheck::CheckHead() {
  const ConfigValue* version = root_.Find("anabranch");
  if (version != nullptr && version->kind == ConfigValue::Kind::kInteger && version->integer > 1) {
    faults_.Add(FaultCode::kBadValue, *version,
                "format version " + std::to_string(version->integer) + " is not supported by this version",
                "this version reads \"anabranch\": 1");
  }
  const ConfigValue* name = root_.Find("name");
  if (name != nullptr && name->is_string() && !CheckLength(*name, name->text, "name")) broken_.insert(name);
  if (name != nullptr && name->is_string() && !IsIdentifier(name->text, '-')) {
    faults_.Add(FaultCode::kBadValue, *name, "the name \"" + name->text + "\" is not of the form [a-z][a-z0-9-]*");
    broken_.insert(name);
  }
}

void StructureCheck::ForEach(const char* section, const std::function<bool(ConfigValue&)>& check) {
  ConfigValue* entries = Member(root_, section);
  if (entries == nullptr || !entries->is_object()) return;
  for (ConfigValue& entry : entries->children) {
    if (!entry.is_object()) {
      faults_.Add(FaultCode::kWrongType, entry,
                  "\"" + entry.name + "\" in \"" + section + "\" must be an object, not " + entry.KindName());
      broken_.insert(&entry);
    } else if (!check(entry)) {
      broken_.insert(&entry);
    }
  }
}

// {"CONNECTOR": {…}}: exactly one connector, with its fields.
bool StructureCheck::CheckConnectorObject(ConfigValue& value, ConnectorUse use, const std::string& what) {
  if (!value.is_object()) {
    faults_.Add(FaultCode::kWrongType, value,
                what + " must be an object that names a connector, not " + value.KindName(),
                Suggest("", ConnectorsFor(registry_, use)));
    return false;
  }
  DropNotes(value);
  bool usable = true;
  const ConfigValue* first = nullptr;
  for (ConfigValue& member : value.children) {
    if (first != nullptr && registry_.FindConnector(member.name) == nullptr) {
      faults_.AddAtName(FaultCode::kUnknownKey, member,
                        what + " holds one key, the connector; \"" + member.name + "\" is not one",
                        "write the settings of a target inside it: {\"" + first->name + "\": {…}}");
      return false;
    }
    if (first != nullptr) {
      faults_.Add(FaultCode::kBadValue, value,
                  what + " names two connectors, \"" + first->name + "\" and \"" + member.name + "\"",
                  "keep one of them");
      return false;
    }
    first = &member;
    usable = CheckConnectorMember(member, use, what) && usable;
  }
  if (first == nullptr) {
    faults_.Add(FaultCode::kMissingKey, value, what + " names no connector",
                Suggest("", ConnectorsFor(registry_, use)));
    return false;
  }
  return usable;
}

// What a property that is not known holds may be a secret under a misspelt name.
void HideUnknown(const std::vector<FieldSpec>& fields, ConfigValue& properties) {
  for (ConfigValue& property : properties.children) {
    const bool known =
        std::any_of(fields.begin(), fields.end(), [&](const FieldSpec& field) { return field.name == property.name; });
    if (!known && property.is_string()) property.secret = true;
  }
}

bool StructureCheck::CheckConnectorMember(ConfigValue& member, ConnectorUse use, const std::string& what) {
  const Connector* connector = registry_.FindConnector(member.name);
  if (connector == nullptr || ConnectorFields(*connector, use).empty()) {
    static constexpr const char* kUses[] = {"read from", "write to", "use a connection of", "agree on models with"};
    faults_.AddAtName(FaultCode::kUnknownKey, member,
                      connector == nullptr
                          ? "there is no connector \"" + member.name + "\""
                          : std::string("nothing can ") + kUses[static_cast<int>(use)] + " \"" + member.name + "\"",
                      Suggest(member.name, ConnectorsFor(registry_, use)));
    return false;
  }
  if (!member.is_object()) {
    faults_.Add(FaultCode::kWrongType, member,
                "\"" + member.name + "\" of " + what + " must be an object, not " + member.KindName());
    return false;
  }
  const bool open = use == ConnectorUse::kConnection;  // its properties are judged by the connector
  if (open) HideUnknown(ConnectorFields(*connector, use), member);
  return CheckFields(member, ConnectorFields(*connector, use), "\"" + member.name + "\" of " + what, faults_, open);
}

bool StructureCheck::CheckConnection(ConfigValue& connection) {
  const std::string what = "connection \"" + connection.name + "\"";
  if (!CheckConnectorObject(connection, ConnectorUse::kConnection, what)) return false;
  for (const ConfigValue& member : connection.children) {
    const Connector* connector = registry_.FindConnector(member.name);
    if (connector != nullptr) connector->CheckConnection(member, faults_);
  }
  return true;
}

bool StructureCheck::CheckModel(ConfigValue& model) {
  const ConfigValue* digest = model.Find("sha256");
  if (digest != nullptr && digest->is_string()) {
    const bool hex =
        digest->text.size() == 64 && digest->text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!hex)
      faults_.Add(FaultCode::kBadValue, *digest,
                  "\"sha256\" of model \"" + model.name + "\" is not 64 lower-case hex digits");
    if (!hex) return false;
  }
  return CheckFields(model, ModelFields(), "model \"" + model.name + "\"", faults_) && CheckModelForm(model);
}

// A model is a file, or packages in a registry.
bool StructureCheck::CheckModelForm(const ConfigValue& model) {
  const std::string what = "model \"" + model.name + "\"";
  const ConfigValue* path = model.Find("path");
  const ConfigValue* registry = model.Find("registry");
  const size_t before = faults_.errors();
  if (path == nullptr && registry == nullptr) {
    faults_.AddAtName(FaultCode::kMissingKey, model, what + " names no model",
                      "add \"path\", the model file, or \"registry\" and \"start\", the folder of its packages and the "
                      "version to begin with");
  } else if (path != nullptr && registry != nullptr) {
    faults_.Add(FaultCode::kBadValue, *path, what + " is both a file (\"path\") and packages (\"registry\")",
                "keep one of them");
  } else if (registry != nullptr && model.Find("start") == nullptr) {
    faults_.AddAtName(FaultCode::kMissingKey, model, what + " does not say which version it begins with",
                      "add \"start\": the version of a package in " + registry->text);
  }
  for (const char* key : {"start", "swap", "verify", "rollout", "bandit"}) {
    const ConfigValue* member = registry == nullptr && path != nullptr ? model.Find(key) : nullptr;
    if (member != nullptr) {
      faults_.AddAtName(FaultCode::kBadValue, *member, "\"" + member->name + "\" of " + what + " needs a \"registry\"",
                        "remove it, or put the model into a package");
    }
  }
  const ConfigValue* bandit = model.Find("bandit");
  if (bandit != nullptr && model.Find("rollout") != nullptr) {
    faults_.AddAtName(FaultCode::kBadValue, *bandit, what + " has both a \"rollout\" and a \"bandit\"",
                      "keep one of them: a rollout compares a new version with the old one on the same records, a "
                      "bandit shares the records among versions by what they earn");
  }
  for (const char* key : {"sha256", "version"}) {
    const ConfigValue* member = registry != nullptr ? model.Find(key) : nullptr;
    if (member != nullptr) {
      faults_.AddAtName(FaultCode::kBadValue, *member,
                        "\"" + member->name + "\" of " + what + " is for a model file; a package says so itself",
                        "remove it");
    }
  }
  const ConfigValue* swap = model.Find("swap");
  for (const char* key : {"rollout", "bandit"}) {
    if (swap == nullptr || swap->text != "in_place" || model.Find(key) == nullptr) continue;
    faults_.Add(
        FaultCode::kBadValue, *swap,
        "\"swap\" of " + what + " is \"in_place\", and its \"" + key + "\" needs two versions in memory at once",
        std::string("remove \"") + key + "\", or \"swap\" where there is memory for two versions");
  }
  return faults_.errors() == before;
}

bool StructureCheck::CheckSource(ConfigValue& source) {
  const std::string what = "source \"" + source.name + "\"";
  CheckId(source, "source");
  DropNotes(source);
  bool usable = true;
  const std::vector<std::string> connectors = ConnectorsFor(registry_, ConnectorUse::kSource);
  std::vector<FieldSpec> fields = CommonSourceFields(registry_);
  for (const std::string& name : connectors) fields.push_back({name, Shape::Any(), false, "", ""});
  const auto is_field = [&](const ConfigValue& member) {
    return std::any_of(fields.begin(), fields.end(), [&](const FieldSpec& field) { return field.name == member.name; });
  };
  std::vector<ConfigValue*> named;
  ConfigValue* stranger = nullptr;  // an object under an unknown name is a connector misspelt
  for (ConfigValue& member : source.children) {
    if (std::find(connectors.begin(), connectors.end(), member.name) != connectors.end()) named.push_back(&member);
    if (!is_field(member) && member.is_object()) stranger = &member;
  }
  const bool misspelt = named.empty() && stranger != nullptr;
  if (misspelt) {
    fields.push_back({stranger->name, Shape::Any(), false, "", ""});
    usable = CheckConnectorMember(*stranger, ConnectorUse::kSource, what);
  } else if (named.empty()) {
    faults_.AddAtName(FaultCode::kMissingKey, source, what + " names no connector", Suggest("", connectors));
    usable = false;
  }
  if (named.size() > 1) {
    faults_.Add(FaultCode::kBadValue, source,
                what + " names two connectors, \"" + named[0]->name + "\" and \"" + named[1]->name + "\"",
                "keep one of them");
    usable = false;
  }
  if (!named.empty()) usable = CheckConnectorMember(*named[0], ConnectorUse::kSource, what) && usable;
  return CheckFields(source, fields, what, faults_) && usable;
}

bool StructureCheck::CheckNode(ConfigValue& node) {
  const std::string what = "node \"" + node.name + "\"";
  CheckId(node, "node");
  if (const ConfigValue* was = node.Find("was"); was != nullptr && was->is_string() && !IsIdentifier(was->text, '_')) {
    faults_.Add(FaultCode::kBadValue, *was,
                "\"was\" of " + what + " is \"" + was->text + "\", which is no id of the form [a-z][a-z0-9_]*");
  }
  const ConfigValue* kind_name = node.Find("kind");
  const NodeKind* kind = kind_name != nullptr && kind_name->is_string() ? registry_.FindKind(kind_name->text) : nullptr;
  std::vector<FieldSpec> fields = kind != nullptr ? NodeFields(*kind) : CommonNodeFields();
  for (FieldSpec& field : fields) {
    if (field.name == "inputs") field.required = false;  // the graph has its own fault for that
    if (field.name == "to") field.shape = Shape::Any();  // below
  }
  CheckFields(node, fields, what, faults_, kind == nullptr);
  if (kind == nullptr) {
    if (kind_name != nullptr && kind_name->is_string()) {
      faults_.Add(FaultCode::kUnknownKind, *kind_name, "there is no node kind \"" + kind_name->text + "\"",
                  Suggest(kind_name->text, registry_.KindNames()));
    }
    return false;
  }
  // A kind relies on its own fields only: with a bad timeout it can still tell what is wrong with its expressions.
  FaultSink reported_already{std::string()};
  bool usable = CheckFields(node, kind->spec().fields, what, reported_already, true);
  ConfigValue* to = Member(node, "to");
  const bool has_target = std::any_of(fields.begin(), fields.end(), [](const auto& each) { return each.name == "to"; });
  if (to != nullptr && has_target) {
    usable = CheckConnectorObject(*to, ConnectorUse::kTarget, "\"to\" of " + what) && usable;
  }
  return usable;
}

Broken StructureCheck::Run() {
  if (!root_.is_object()) {
    faults_.Add(FaultCode::kWrongType, root_, std::string("the file must be an object, not ") + root_.KindName());
    broken_.insert(&root_);
    return std::move(broken_);
  }
  std::vector<FieldSpec> fields = TopologyFields();
  for (FieldSpec& field : fields) {
    if (field.name == "models") field.shape = Shape::Map(Shape::Any());  // entry by entry, below
    if (field.name == "tests" && !tests_) field.shape = Shape::List(Shape::Any());
  }
  CheckFields(root_, fields, "the file", faults_);
  CheckHead();
  ForEach("connections", [this](ConfigValue& each) { return CheckConnection(each); });
  ForEach("models", [this](ConfigValue& each) { return CheckModel(each); });
  ForEach("sources", [this](ConfigValue& each) { return CheckSource(each); });
  const ConfigValue* nodes = root_.Find("nodes");
  if (nodes != nullptr && nodes->children.size() > kMaxNodes) {
    faults_.AddAtName(FaultCode::kTooLarge, *nodes,
                      "the file has " + std::to_string(nodes->children.size()) + " nodes; a topology has at most " +
                          std::to_string(kMaxNodes));
    broken_.insert(&root_);
    return std::move(broken_);
  }
  ForEach("nodes", [this](ConfigValue& each) { return CheckNode(each); });
  ConfigValue* dead_letters = Member(root_, "dead_letters");
  if (dead_letters != nullptr && !CheckConnectorObject(*dead_letters, ConnectorUse::kTarget, "\"dead_letters\"")) {
    broken_.insert(dead_letters);
  }
  ConfigValue* control = Member(root_, "control");
  if (control != nullptr && !CheckConnectorObject(*control, ConnectorUse::kControl, "\"control\"")) {
    broken_.insert(control);
  }
  return std::move(broken_);
}

}  // namespace

Broken CheckStructure(ConfigValue& root, const Registry& registry, FaultSink& faults, bool tests) {
  return StructureCheck(root, registry, faults, tests).Run();
}

}  // namespace anabranch
