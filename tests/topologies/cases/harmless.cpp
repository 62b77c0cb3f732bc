#include "tests/topologies/cases/harmless.h"

#include <regex>
#include <vector>

namespace anabranch {
namespace {

struct Harmless {
  const char* pattern;  // of the whole mutation
  const char* reason;
};

const std::vector<Harmless>& Table() {
  static const std::vector<Harmless> table = {
      {R"(name /(connections|schemas|models|sources|nodes)/[^/]+)",
       "an id that the user chooses: what refers to the old one is reported at the reference"},
      {R"(name /schemas/.*/properties/[^/]+)", "a field that the user names: who reads the old one is reported there"},
      {R"(name /nodes/[^/]+/(set|outputs|rules)/[^/]+)",
       "a column or rule that the user names: who reads the old one is reported there"},
      {R"(name /nodes/[^/]+/fields/[^/]+)", "the name under which a column is written: any will do"},
      {R"((name|value) .*/(x-[^/]*|\$comment|\$schema)(/.*|zz)?( = .*)?)", "an annotation: means nothing, by design"},
      {R"(value /schemas/.*/properties/[^/]+ = true)",
       "JSON Schema's `true`: any value will do; who reads the field as a column is reported there"},
      {R"(value /schemas/.*/(title|description|default|examples) = .*)",
       "an annotation of JSON Schema: means nothing to a check of records"},
      {R"(value /schemas/.*/const = null)",
       "a schema that no value satisfies is a schema all the same: it is enforced"},
      {R"(value /connections/[^/]+/kafka/[^/]+ = 7)",
       "properties of librdkafka are texts: a number is a way to write one"},
      {R"(value /(nodes/twice/timeout_ms|batch/max_rows) = 7)",
       "no other type: the text that stands there is a variable which gives a number"},
      {R"((name|value) /tests/.*)", "cases for `anabranch test`, which judges them itself"},
  };
  return table;
}

}  // namespace

const char* HarmlessReason(const std::string& mutation) {
  static const std::vector<std::regex>* patterns = [] {
    auto* made = new std::vector<std::regex>();
    for (const Harmless& each : Table()) made->emplace_back(each.pattern);
    return made;
  }();
  for (size_t i = 0; i < patterns->size(); ++i) {
    if (std::regex_match(mutation, (*patterns)[i])) return Table()[i].reason;
  }
  return nullptr;
}

}  // namespace anabranch
