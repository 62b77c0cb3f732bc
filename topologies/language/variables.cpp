#include "topologies/language/variables.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

#include "topologies/language/paths.h"
#include "topologies/language/scanner.h"
#include "topologies/language/secrets.h"

namespace anabranch {

namespace {

constexpr std::string_view kSecretFile = "file:";  // ${file:PATH}: the contents of a secret file

constexpr size_t kMaxSecretBytes = size_t{64} << 10;
constexpr size_t kMaxExpandedBytes = size_t{1} << 20;

bool IsName(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); });
}

class Expander {
 public:
  Expander(const Topology& topology, const CheckOptions& options, FaultSink& faults)
      : paths_(topology.file, options.allow_paths), options_(options), faults_(faults) {}

  // `outside`: the value configures an outside system, where keys may name secrets.
  void Walk(ConfigValue& value, bool outside) {
    if (value.is_string()) return Expand(value, outside);
    for (ConfigValue& child : value.children) {
      if (IsAnnotation(child.name)) continue;
      Walk(child, outside || child.name == "to");
    }
  }

 private:
  struct Reference {
    size_t begin = 0;  // of "${"
    size_t end = 0;    // behind "}"
    std::string_view inside;
  };

  void Expand(ConfigValue& value, bool outside);
  std::optional<std::string> Evaluate(const ConfigValue& value, const Reference& reference, bool* secret);
  std::optional<std::string> ReadSecret(const ConfigValue& value, const Reference& reference, std::string_view path);
  std::optional<std::string> Environment(const std::string& name) const;
  std::nullopt_t Fault(const ConfigValue& value, const Reference& reference, std::string message,
                       std::string hint = {}) {
    faults_.AddInside(FaultCode::kVariable, value, reference.begin, reference.end - reference.begin, std::move(message),
                      std::move(hint));
    return std::nullopt;
  }

  PathJudge paths_;
  const CheckOptions& options_;
  FaultSink& faults_;
};

void Expander::Expand(ConfigValue& value, bool outside) {
  const std::string_view text = value.text;
  std::string expanded;
  bool changed = false;
  bool from_variable = false;  // value.expanded is set last: places inside are exact until then
  bool secret = outside && NamesSecret(value.name);
  size_t at = 0;
  for (size_t next = text.find("${"); next != std::string_view::npos; next = text.find("${", at)) {
    expanded += text.substr(at, next - at);
    if (next > at && text[next - 1] == '$') {  // $${ is a plain ${
      expanded += '{';
      at = next + 2;
      changed = true;
      continue;
    }
    const size_t close = text.find('}', next);
    if (close == std::string_view::npos) {
      Fault(value, {next, text.size(), {}}, "\"${\" is never closed", "end it with \"}\", or write $${ for a plain ${");
      return;
    }
    const Reference reference{next, close + 1, text.substr(next + 2, close - next - 2)};
    if (auto found = Evaluate(value, reference, &secret)) expanded += *found;
    at = close + 1;
    from_variable = true;
  }
  value.secret = secret;
  if (!changed && !from_variable) return;
  expanded += text.substr(at);
  if (expanded.size() > kMaxExpandedBytes) {
    faults_.Add(FaultCode::kVariable, value, "the expanded text is longer than 1 MiB");
    expanded.clear();
  }
  value.expanded = true;
  value.text = std::move(expanded);
}

std::optional<std::string> Expander::Environment(const std::string& name) const {
  if (options_.env) return options_.env(name);
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<std::string> Expander::Evaluate(const ConfigValue& value, const Reference& reference, bool* secret) {
  const size_t colon = reference.inside.find(':');
  const std::string name(reference.inside.substr(0, colon));
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : reference.inside.substr(colon + 1);
  if (reference.inside.starts_with(kSecretFile)) {
    *secret = true;
    return ReadSecret(value, reference, rest);
  }
  const bool modifier = rest.size() >= 1 && (rest[0] == '-' || rest[0] == '?');
  if (!IsName(name) || (colon != std::string_view::npos && !modifier)) {
    return Fault(value, reference, "\"${" + std::string(reference.inside) + "}\" is no variable",
                 "known: ${VAR}, ${VAR:-default}, ${VAR:?message}, ${file:path}; $${ is a plain ${");
  }
  std::optional<std::string> found = Environment(name);
  if (found && FindInvalidUtf8(*found) != std::string_view::npos) {
    return Fault(value, reference, "the variable " + name + " is not UTF-8");
  }
  if (found && !(modifier && found->empty())) return found;
  if (modifier && rest[0] == '-') return std::string(rest.substr(1));
  if (modifier) {
    const std::string message(rest.substr(1));
    return Fault(value, reference, "the variable " + name + " is not set" + (message.empty() ? "" : ": " + message));
  }
  return Fault(value, reference, "the variable " + name + " is not set",
               "set it, or give a default: ${" + name + ":-default}");
}

std::optional<std::string> Expander::ReadSecret(const ConfigValue& value, const Reference& reference,
                                                std::string_view path) {
  const Result<std::string> resolved = paths_.ResolveSecret(path);
  if (!resolved.ok()) return Fault(value, reference, resolved.status().message());
  std::ifstream in(*resolved, std::ios::binary);
  std::string text(kMaxSecretBytes + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.eof()) {
    return Fault(value, reference,
                 in.good() ? "the secret file " + *resolved + " is larger than 64 KiB"
                           : "cannot read the secret file " + *resolved);
  }
  text.resize(static_cast<size_t>(in.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (FindInvalidUtf8(text) != std::string_view::npos) {
    return Fault(value, reference, "the secret file " + *resolved + " is not UTF-8");
  }
  return text;
}

}  // namespace

void ExpandVariables(Topology& topology, const CheckOptions& options, FaultSink& faults) {
  Expander expander(topology, options, faults);
  for (ConfigValue& section : topology.root.children) {
    if (IsAnnotation(section.name)) continue;
    const bool outside = section.name == "connections" || section.name == "sources" || section.name == "dead_letters";
    expander.Walk(section, outside);
  }
}

}  // namespace anabranch
