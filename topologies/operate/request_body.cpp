#include "topologies/operate/request_body.h"

#include <algorithm>

#include "engine/fault.h"

namespace anabranch {

RequestBody::RequestBody(const std::string& text)
    : json_(nlohmann::json::parse(text.empty() ? "{}" : text, nullptr, false)) {
  if (json_.is_object()) return;
  json_ = nlohmann::json::object();
  fault_ = {Code::kInvalid, "the body must be a JSON object"};
}

const nlohmann::json* RequestBody::Take(const char* name) {
  known_.emplace_back(name);
  const auto found = json_.find(name);
  return found == json_.end() ? nullptr : &*found;
}

void RequestBody::Wrong(const char* name, const std::string& wanted) {
  if (fault_.ok()) fault_ = {Code::kInvalid, "\"" + std::string(name) + "\" must be " + wanted};
}

void RequestBody::Text(const char* name, std::string* text) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  if (!given->is_string()) return Wrong(name, "a text");
  *text = given->get<std::string>();
}

void RequestBody::OneOf(const char* name, const std::vector<std::string>& words, std::string* word) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  if (given->is_string() && std::ranges::find(words, given->get<std::string>()) != words.end()) {
    *word = given->get<std::string>();
    return;
  }
  std::string wanted;
  for (const std::string& each : words) wanted += (wanted.empty() ? "\"" : " or \"") + each + "\"";
  Wrong(name, wanted);
}

void RequestBody::Texts(const char* name, size_t most, std::vector<std::string>* texts) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  const bool sound = given->is_array() && given->size() <= most &&
                     std::ranges::all_of(*given, [](const nlohmann::json& each) { return each.is_string(); });
  if (!sound) return Wrong(name, "a list of at most " + std::to_string(most) + " texts");
  for (const nlohmann::json& each : *given) texts->push_back(each.get<std::string>());
}

void RequestBody::Flag(const char* name, bool* flag) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  if (!given->is_boolean()) return Wrong(name, "true or false");
  *flag = given->get<bool>();
}

void RequestBody::Number(const char* name, int64_t most, int64_t* number) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  const bool sound = given->is_number_unsigned() && given->get<uint64_t>() <= static_cast<uint64_t>(most);
  if (!sound) return Wrong(name, "a number from 0 to " + std::to_string(most));
  *number = given->get<int64_t>();
}

void RequestBody::Real(const char* name, double* number) {
  const nlohmann::json* const given = Take(name);
  if (given == nullptr) return;
  const bool sound = given->is_number() && given->get<double>() >= 0;
  if (!sound) return Wrong(name, "a number that is not negative");
  *number = given->get<double>();
}

Status RequestBody::Done() const {
  if (!fault_.ok()) return fault_;
  for (const auto& [name, value] : json_.items()) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    std::string all;
    for (const std::string& each : known_) all += (all.empty() ? "" : ", ") + each;
    const std::string suggestion = Suggest(name, known_);
    return {Code::kInvalid, "\"" + name + "\" is not known; " + (suggestion.empty() ? "known: " + all : suggestion)};
  }
  return {};
}

}  // namespace anabranch
