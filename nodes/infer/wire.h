#pragma once

#include <cstdint>
#include <string_view>

namespace anabranch {

// Reads one protocol buffer message field by field, in order. Fields are views into the message; nothing is copied.
class WireFields {
 public:
  explicit WireFields(std::string_view message) : rest_(message) {}

  uint32_t number = 0;
  uint64_t integer = 0;    // of a varint
  bool delimited = false;  // `text` is its content
  std::string_view text;
  std::string_view whole;  // tag and content, as they lie in the message

  // The next field. False at the end, and on bytes that are not a message or that hold a group (which writers avoid);
  // ok()
  // tells these cases apart.
  bool Next();
  bool ok() const { return ok_; }

  // Removes a varint from the front of `bytes`.
  static bool Varint(std::string_view* bytes, uint64_t* value);

 private:
  bool Read();

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace anabranch
