#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"

namespace anabranch {

// Every kind of fault that a check can find. The number is what users see ("AB203"), search and
// pass to `anabranch explain`; the table with titles and cures is in fault_catalogue.cpp. Numbers never change.
enum class FaultCode : uint16_t {
  kCannotRead = 1,
  kSyntax = 2,
  kDuplicateKey = 3,
  kTooLarge = 4,
  kVariable = 5,
  kUnknownKey = 101,
  kMissingKey = 102,
  kWrongType = 103,
  kBadValue = 104,
  kForbiddenProperty = 105,
  kPath = 106,
  kNotSupported = 107,
  kCycle = 201,
  kUnknownReference = 202,
  kUnknownColumn = 203,
  kColumnMadeTwice = 204,
  kUnknownKind = 205,
  kDeadEnd = 206,
  kDuplicateId = 207,
  kNoInput = 208,
  kTypeConflict = 209,
  kExpressionSyntax = 301,
  kExpressionType = 302,
  kExpressionFunction = 303,
  kPattern = 304,
  kModelLoad = 401,
  kModelInput = 402,
  kModelType = 403,
  kModelOutput = 404,
  kModelDigest = 405,
  kModelRandom = 406,
  kSchemaKeyword = 501,
  kSchemaType = 502,
  kDelivery = 601,
  kTargetConflict = 602,
  kMembers = 701,
  kUnused = 901,  // warnings from here
  kInsecure = 902,
  kDoubtful = 903,
};

struct FaultInfo {
  FaultCode code;
  const char* title;  // "unknown column"
  const char* about;  // what it means and how to fix it, one paragraph
};

// All codes, ascending.
const std::vector<FaultInfo>& FaultCatalogue();
std::string FaultName(FaultCode code);  // "AB203"

struct Fault {
  FaultCode code = FaultCode::kSyntax;
  bool warning = false;
  std::string message;
  std::string hint;  // "did you mean …", a cure; may be empty
  // With these a check separates causes from consequences; they are not shown.
  std::string meant;    // the name that was probably meant in place of an unknown one; may be empty
  std::string subject;  // the column or entry that the fault is about, where a cause may be recognised by it
  std::string file;
  Place place;
  std::string pointer;
  std::string node;  // id when the place lies in /nodes/ID
};

// Collects faults; never stops at the first. Not thread-safe.
class FaultSink {
 public:
  explicit FaultSink(std::string file) : file_(std::move(file)) {}

  // A fault at a value, at a member's name, or at a byte inside a string value's text
  // (`offset` counts in the expanded text; falls back to the value where the text has escapes).
  // What is returned may be completed until the next fault is added.
  Fault& Add(FaultCode code, const ConfigValue& at, std::string message, std::string hint = {});
  Fault& AddAtName(FaultCode code, const ConfigValue& member, std::string message, std::string hint = {});
  void AddInside(FaultCode code, const ConfigValue& at, size_t offset, size_t length, std::string message,
                 std::string hint = {});
  Fault& AddAtPlace(FaultCode code, const Place& place, std::string pointer, std::string message,
                    std::string hint = {});
  // A fault that another sink collected for the same file.
  void PassOn(const Fault& fault);

  size_t errors() const { return errors_; }
  const std::vector<Fault>& faults() const { return faults_; }
  // Sorted by place, then code; the same fault at one place once.
  std::vector<Fault> Sorted() const;

 private:
  Fault& Push(FaultCode code, const ConfigValue& at, const Place& place, std::string message, std::string hint);

  std::string file_;
  std::vector<Fault> faults_;
  Fault surplus_;  // written and forgotten, beyond the most faults
  size_t errors_ = 0;
};

// The name of `known` that is near enough to `word` to be meant; empty when none is.
std::string Nearest(std::string_view word, const std::vector<std::string>& known);
// "did you mean \"amount\"?" for the nearest of `known`, or "known: a, b, c" when none is near
// (at most 8 named, then "and n more"); empty when `known` is empty.
std::string Suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace anabranch
