#pragma once

#include <optional>
#include <string>
#include <utility>

namespace anabranch {

// Few codes; each names what the caller does next.
enum class Code {
  kOk,
  kInvalid,      // the topology or an argument is wrong: fix the file (exit 78)
  kUnavailable,  // a broker, file, database or model cannot be reached: make it reachable (exit 69)
  kRetry,        // the same call may succeed later: try again with backoff (exit 75)
  kStage,        // every row of this stage would fail: stop the stage, fix it, restart it (exit 1)
  kTimedOut,     // a bounded wait ran out: treat as kRetry inside a node, as kStage above it
  kFenced,       // another process owns this work now: stop at once, commit nothing (exit 75)
  kAborted,      // the epoch did not commit and left no effect: write the pinned epoch again
  kCancelled,    // a stop was asked for: unwind quietly
  kInternal,     // a fault of this program: report it (exit 70)
};

// Process exit code of `code` (docs/reference/commands.md).
int ExitCode(Code code);

// The outcome of a call. Cheap to move; an Ok status holds no text.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status Ok() { return {}; }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // "context: message", same code.
  Status WithContext(const std::string& context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// Either a value or a Status that is not Ok.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace anabranch

#define ANABRANCH_CONCAT_(a, b) a##b
#define ANABRANCH_CONCAT(a, b) ANABRANCH_CONCAT_(a, b)

// Returns the status from the enclosing function unless it is Ok.
#define RETURN_IF_ERROR(expr)                                    \
  do {                                                           \
    if (::anabranch::Status returned = (expr); !returned.ok()) { \
      return returned;                                           \
    }                                                            \
  } while (false)

// Evaluates a Result; returns its status or assigns its value.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_(ANABRANCH_CONCAT(result_, __LINE__), lhs, expr)
// NOLINTBEGIN(bugprone-macro-parentheses): `lhs` may declare a variable
#define ASSIGN_OR_RETURN_(result, lhs, expr) \
  auto result = (expr);                      \
  if (!result.ok()) return result.status();  \
  lhs = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)
