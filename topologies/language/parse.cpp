#include "topologies/language/parse.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "topologies/language/scanner.h"
#include "topologies/language/syntax.h"

namespace anabranch {

namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr size_t kMaxDepth = 100;
constexpr size_t kMaxValues = 500'000;
constexpr size_t kFewMembers = 16;

// Receives the library's events and zips them with the scanner's places into a tree.
class TreeBuilder : public nlohmann::json_sax<json> {
 public:
  TreeBuilder(std::string_view text, FaultSink& faults) : scanner_(text), faults_(faults) {}

  ConfigValue&& TakeRoot() { return std::move(root_); }

  bool null() override { return Scalar(ConfigValue::Kind::kNull); }
  bool boolean(bool flag) override {
    value_.boolean = flag;
    return Scalar(ConfigValue::Kind::kBool);
  }
  bool number_integer(number_integer_t number) override {
    value_.integer = number;
    value_.number = static_cast<double>(number);
    return Scalar(ConfigValue::Kind::kInteger);
  }
  bool number_unsigned(number_unsigned_t number) override {
    too_large_ = number > static_cast<number_unsigned_t>(INT64_MAX);
    if (too_large_) return number_float(static_cast<double>(number), {});
    return number_integer(static_cast<number_integer_t>(number));
  }
  bool number_float(number_float_t number, const string_t& written) override {
    too_large_ = too_large_ || (!written.empty() && written.find_first_of(".eE") == std::string::npos);
    value_.number = number;
    return Scalar(ConfigValue::Kind::kNumber);
  }
  bool string(string_t& text) override {
    value_.text = std::move(text);
    return Scalar(ConfigValue::Kind::kString);
  }
  bool binary(binary_t& /*bytes*/) override { return false; }
  bool start_object(std::size_t /*members*/) override { return Open(ConfigValue::Kind::kObject); }
  bool start_array(std::size_t /*items*/) override { return Open(ConfigValue::Kind::kArray); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override;
  bool parse_error(std::size_t position, const std::string& token, const json::exception& error) override;

 private:
  struct Frame {
    ConfigValue value;
    std::unordered_map<std::string, uint32_t> lines;  // of names, once there are many members
    bool repeated = false;                            // its own name stands twice: it is dropped when complete
  };

  bool Scalar(ConfigValue::Kind kind);
  bool Open(ConfigValue::Kind kind);
  bool Close();
  void Attach(ConfigValue&& value, bool repeated);
  uint32_t LineOfFirst(const std::string& name);  // 0: the name is new in its object
  bool Count(const Place& place);
  std::string Pointer(const std::string* name) const;
  void Name(ConfigValue& value);

  Scanner scanner_;
  FaultSink& faults_;
  ConfigValue root_;
  ConfigValue value_;  // the scalar in the making
  Place scalar_;       // of the last token, when it was a number or word
  std::vector<Frame> frames_;
  std::string name_;  // of the member whose value comes next
  Place name_place_;
  bool repeated_ = false;
  bool too_large_ = false;
  size_t values_ = 0;
  Expecting expecting_ = Expecting::kRoot;
};

bool TreeBuilder::Count(const Place& place) {
  if (++values_ <= kMaxValues) return true;
  faults_.AddAtPlace(FaultCode::kTooLarge, place, {},
                     "the file has more than " + std::to_string(kMaxValues) + " values, the most a topology may have");
  return false;
}

std::string TreeBuilder::Pointer(const std::string* name) const {
  std::string pointer;
  const auto step = [&pointer](const std::string& text) {
    ConfigValue parent;
    parent.kind = ConfigValue::Kind::kObject;
    ConfigValue child;
    child.name = text;
    child.parent = &parent;
    pointer += child.Pointer();
  };
  for (size_t i = 1; i < frames_.size(); ++i) {
    const ConfigValue& above = frames_[i - 1].value;
    step(above.is_array() ? std::to_string(above.children.size()) : frames_[i].value.name);
  }
  if (name != nullptr) step(*name);
  return pointer;
}

void TreeBuilder::Name(ConfigValue& value) {
  if (frames_.empty() || !frames_.back().value.is_object()) return;
  value.name = std::move(name_);
  value.name_place = name_place_;
}

bool TreeBuilder::Scalar(ConfigValue::Kind kind) {
  value_.kind = kind;
  value_.place = scanner_.Next();
  scalar_ = kind == ConfigValue::Kind::kString ? Place{} : value_.place;
  if (!Count(value_.place)) return false;
  if (too_large_) {
    too_large_ = false;
    faults_.AddAtPlace(FaultCode::kBadValue, value_.place, Pointer(&name_),
                       "the number " + std::string(scanner_.Text(value_.place)) + " is outside of the 64-bit integers",
                       "write it as a string or, where a fraction is meant, with a decimal point");
  }
  Name(value_);
  Attach(std::move(value_), std::exchange(repeated_, false));
  value_ = ConfigValue();
  return true;
}

bool TreeBuilder::Open(ConfigValue::Kind kind) {
  Frame frame;
  frame.value.kind = kind;
  frame.value.place = scanner_.Next();
  scalar_ = Place{};
  if (!Count(frame.value.place)) return false;
  if (frames_.size() >= kMaxDepth) {
    faults_.AddAtPlace(FaultCode::kTooLarge, frame.value.place, {},
                       "the file is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    return false;
  }
  Name(frame.value);
  frame.repeated = std::exchange(repeated_, false);
  frames_.push_back(std::move(frame));
  expecting_ = kind == ConfigValue::Kind::kObject ? Expecting::kFirstMember : Expecting::kFirstItem;
  return true;
}

bool TreeBuilder::Close() {
  frames_.back().value.place.end = scanner_.Next().end;
  scalar_ = Place{};
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  Attach(std::move(frame.value), frame.repeated);
  return true;
}

void TreeBuilder::Attach(ConfigValue&& value, bool repeated) {
  if (frames_.empty()) {
    root_ = std::move(value);
    expecting_ = Expecting::kEnd;
    return;
  }
  ConfigValue& parent = frames_.back().value;
  if (!repeated) parent.children.push_back(std::move(value));
  expecting_ = parent.is_object() ? Expecting::kNextMember : Expecting::kNextItem;
}

uint32_t TreeBuilder::LineOfFirst(const std::string& name) {
  Frame& frame = frames_.back();
  const auto& members = frame.value.children;
  if (members.size() < kFewMembers) {
    const ConfigValue* first = frame.value.Find(name);
    return first != nullptr ? first->name_place.line : 0;
  }
  if (frame.lines.empty()) {
    for (const ConfigValue& member : members) frame.lines.emplace(member.name, member.name_place.line);
  }
  const auto [at, added] = frame.lines.emplace(name, name_place_.line);
  return added ? 0 : at->second;
}

bool TreeBuilder::key(string_t& name) {
  name_place_ = scanner_.Next();
  scalar_ = Place{};
  const uint32_t first = LineOfFirst(name);
  repeated_ = first != 0;
  if (repeated_) {
    faults_.AddAtPlace(FaultCode::kDuplicateKey, name_place_, Pointer(&name),
                       "the key \"" + name + "\" stands twice in one object; first in line " + std::to_string(first),
                       "rename or remove one of them");
  }
  name_ = std::move(name);
  expecting_ = Expecting::kColon;
  return true;
}

bool TreeBuilder::parse_error(std::size_t /*position*/, const std::string& /*token*/, const json::exception& error) {
  constexpr int kNumberOverflow = 406;
  if (error.id == kNumberOverflow) {
    const Place place = scanner_.Next();
    faults_.AddAtPlace(FaultCode::kBadValue, place, Pointer(&name_),
                       "the number " + std::string(scanner_.Text(place)) + " is too large for a 64-bit float");
    return false;
  }
  const bool split = scalar_.end != 0 && !IsWholeScalar(scanner_.Text(scalar_));
  const SyntaxFault fault =
      split ? DescribeScalar(scalar_, scanner_.Text(scalar_)) : DescribeSyntax(scanner_, expecting_);
  faults_.AddAtPlace(FaultCode::kSyntax, fault.place, {}, fault.message, fault.hint);
  return false;
}

// The tree does not move any more: every value learns its parent.
void SetParents(ConfigValue& value) {
  for (ConfigValue& child : value.children) {
    child.parent = &value;
    SetParents(child);
  }
}

// Faults of the bytes themselves. True when the text may be parsed.
bool CheckBytes(const std::string& text, FaultSink& faults) {
  const auto fault = [&](FaultCode code, size_t at, std::string message, std::string hint) {
    faults.AddAtPlace(code, PlaceAt(text, at, at + 1), {}, std::move(message), std::move(hint));
    return false;
  };
  if (text.size() > kMaxBytes) {
    return fault(FaultCode::kTooLarge, 0, "the file is larger than 16 MiB, the most a topology may have", {});
  }
  if (text.compare(0, 2, "\xFF\xFE") == 0 || text.compare(0, 2, "\xFE\xFF") == 0) {
    return fault(FaultCode::kSyntax, 0, "the file is UTF-16", "save it as UTF-8");
  }
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    return fault(FaultCode::kSyntax, nul, "a NUL byte stands in the file", "a topology is UTF-8 text");
  }
  if (const size_t bad = FindInvalidUtf8(text); bad != std::string::npos) {
    return fault(FaultCode::kSyntax, bad, "the bytes here are not UTF-8", "save the file as UTF-8");
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return fault(FaultCode::kSyntax, 0, "the file is empty", "`anabranch init` writes one to start from");
  }
  return true;
}

}  // namespace

std::unique_ptr<Topology> ParseTopology(const std::string& file, std::string text, FaultSink& faults) {
  if (!CheckBytes(text, faults)) return nullptr;
  auto topology = std::make_unique<Topology>();
  topology->file = file;
  topology->text = std::move(text);
  TreeBuilder builder(topology->text, faults);
  constexpr bool kStrict = true;
  constexpr bool kIgnoreComments = true;
  if (!json::sax_parse(topology->text, &builder, json::input_format_t::json, kStrict, kIgnoreComments)) return nullptr;
  topology->root = builder.TakeRoot();
  SetParents(topology->root);
  return topology;
}

std::unique_ptr<Topology> LoadTopology(const std::string& file, FaultSink& faults) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.eof() && !in.good()) {
    faults.AddAtPlace(FaultCode::kCannotRead, Place{}, {},
                      "cannot read \"" + file + "\": " + (errno != 0 ? std::strerror(errno) : "it is no file"));
    return nullptr;
  }
  text.resize(static_cast<size_t>(in.gcount()));
  text.shrink_to_fit();
  return ParseTopology(file, std::move(text), faults);
}

}  // namespace anabranch
