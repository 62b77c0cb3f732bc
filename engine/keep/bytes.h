#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace anabranch {

static_assert(std::endian::native == std::endian::little, "kept results are stored as little-endian memory");

// This length marks a null text, which differs from an empty one.
inline constexpr uint32_t kNullText = UINT32_MAX;

template <typename T>
void PutNumber(T value, std::string* out) {
  static_assert(std::is_arithmetic_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void PutText(std::string_view text, std::string* out) {
  PutNumber(static_cast<uint32_t>(text.size()), out);
  out->append(text);
}

template <typename T>
T LoadNumber(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Reads what the functions above wrote, from untrusted bytes. The first read beyond the end makes it fail permanently;
// it then returns zeros and empty texts.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return rest_.size(); }
  bool Fail() {
    ok_ = false;
    rest_ = {};
    return false;
  }
  std::string_view Take(uint64_t size) {
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  // `count` numbers of `size` bytes each; unaligned: LoadNumber them.
  const char* TakeArray(uint64_t count, size_t size) {
    if (count > rest_.size() / size) {
      Fail();
      return nullptr;
    }
    return Take(count * size).data();
  }
  template <typename T>
  T Number() {
    const std::string_view bytes = Take(sizeof(T));
    return ok_ ? LoadNumber<T>(bytes.data()) : T{};
  }
  std::string_view Text() { return Take(Number<uint32_t>()); }
  // A count of items that take at least `least` bytes each.
  uint32_t Count(size_t least) {
    const auto count = Number<uint32_t>();
    if (count > rest_.size() / least) Fail();
    return ok_ ? count : 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace anabranch
