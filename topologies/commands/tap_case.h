#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// Rows of a tap as a test case (docs/testing.md): their records are given, and what the tapped nodes made or wrote of
// them is expected. Sensitive fields, which a tap shows masked, are expected to be anything.
class TapCase {
 public:
  using Json = nlohmann::ordered_json;

  // `answer`: of GET /api/v1/taps/{id}, with the records.
  void Add(const Json& answer);
  // The text of a *.tests.json. `topology`: its path, as seen from the file. Records of which a tapped node's row was
  // not shown are omitted: `*omitted`.
  std::string Text(const std::string& name, const std::string& topology, size_t* omitted) const;
  bool masked() const { return !masked_.empty(); }

 private:
  struct Seen {
    Json first;              // a row of it
    std::vector<Json> rows;  // by tapped node
  };
  bool IsWhole(const Seen& seen) const;
  bool IsSink(const std::string& node) const;
  Json Expected(const Json& values) const;

  std::vector<Seen> records_;
  std::unordered_map<std::string, size_t> places_;  // of records, in records_
  std::vector<std::string> masked_, sinks_, tapped_;
};

}  // namespace anabranch
