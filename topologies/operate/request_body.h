#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// The body of a request, taken member by member. What it orders must be what its sender meant: a member of another type
// or an unknown one is a fault.
//
//   RequestBody body(request.body);
//   body.Text("node", &node);
//   body.Flag("dry_run", &dry_run);
//   RETURN_IF_ERROR(body.Done());
class RequestBody {
 public:
  explicit RequestBody(const std::string& text);  // no text is {}

  // Each leaves the variable as it is where the member is missing.
  void Text(const char* name, std::string* text);
  void OneOf(const char* name, const std::vector<std::string>& words, std::string* word);
  void Texts(const char* name, size_t most, std::vector<std::string>* texts);
  void Flag(const char* name, bool* flag);
  void Number(const char* name, int64_t most, int64_t* number);  // from 0 on
  void Real(const char* name, double* number);                   // from 0 on

  bool Has(const char* name) const { return json_.contains(name); }
  // kInvalid: the first fault. To be called after everything that is known was taken.
  Status Done() const;

 private:
  const nlohmann::json* Take(const char* name);
  void Wrong(const char* name, const std::string& wanted);

  nlohmann::json json_;
  std::vector<std::string> known_;
  Status fault_;
};

}  // namespace anabranch
