#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/column.h"
#include "engine/schema/record_schema.h"

namespace re2 {
class RE2;
}

namespace anabranch {

// A number that a schema states, with the text that messages show.
struct Limit {
  double number = 0;
  int64_t integer = 0;
  bool is_integer = false;
  std::string text;
};

// The constraints of one field, on its value or on every element of it. Immutable once compiled.
struct FieldRules {
  std::optional<Limit> minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;
  std::optional<int64_t> min_length, max_length;  // code points
  std::optional<int64_t> min_items, max_items;
  std::shared_ptr<const re2::RE2> pattern;
  std::string pattern_text;

  bool has_options = false;  // enum, const
  bool null_option = false;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  std::unordered_set<std::string> texts;
  bool true_option = false, false_option = false;
  std::string options_text;  // `"a", "b"`

  bool empty() const;
};

// The rules of a field in the form that its column is checked with: one closed range, and the rest apart.
class FieldCheck {
 public:
  FieldCheck(const SchemaField& field, FieldRules rules);

  using Fail = std::function<void(uint32_t, std::string)>;
  // Judges one column. Rows that are inactive or already in `failed` (null = none yet) are passed over.
  void Run(const SchemaField& field, const Column& column, std::span<const uint8_t> active, bool all_active,
           const std::vector<uint8_t>& failed, const Fail& fail) const;

 private:
  template <typename T>
  struct Range {
    T low = std::numeric_limits<T>::lowest();
    T high = std::numeric_limits<T>::max();
  };

  void RunStates(const SchemaField& field, const Column& column, std::span<const uint8_t> active,
                 const std::vector<uint8_t>& failed, const Fail& fail) const;
  template <typename T>
  void RunValues(const SchemaField& field, const Column& column, std::span<const uint8_t> active,
                 const std::vector<uint8_t>& failed, const Fail& fail) const;
  // The rule that a value breaks, as "…, below the minimum of 0"; empty when it breaks none.
  template <typename T>
  std::string Broken(T value) const;
  template <typename T>
  bool Holds(T value) const;

  FieldRules rules_;
  Range<double> doubles_;
  Range<float> floats_;
  Range<int64_t> integers_;
  bool plain_range_ = true;  // the range says it all
};

}  // namespace anabranch
