#include "engine/text/number_list.h"

#include <array>
#include <string>

#include "engine/text/read_element.h"

namespace anabranch {
namespace {

constexpr size_t kBlock = 64;
constexpr size_t kMostCommas = 1024;  // found at once

bool IsSpaceOrTab(char c) { return c == ' ' || c == '\t'; }

const char* SkipBlanks(const char* p) {
  while (IsSpaceOrTab(*p)) ++p;
  return p;
}

// A bit for each comma of 64 bytes.
uint64_t CommaBits(const char* p) {
#if defined(__AVX2__)
  const __m256i comma = _mm256_set1_epi8(',');
  const auto bits = [&](const char* at) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, comma))));
  };
  return bits(p) | bits(p + 32) << 32;
#else
  uint64_t bits = 0;
  for (size_t i = 0; i < kBlock; ++i) bits |= static_cast<uint64_t>(p[i] == ',') << i;
  return bits;
#endif
}

// Where the commas stand behind *begin, which moves to where the search ended: at `end`, or when `commas` is full.
size_t FindCommas(const char** begin, const char* end, uint32_t* commas) {
  const char* const base = *begin;
  size_t found = 0;
  const char* p = base;
  for (; p < end && found + kBlock <= kMostCommas; p += kBlock) {
    uint64_t bits;
    if (end - p >= static_cast<ptrdiff_t>(kBlock)) {
      bits = CommaBits(p);
    } else {
      std::array<char, kBlock> rest{};
      std::memcpy(rest.data(), p, static_cast<size_t>(end - p));
      bits = CommaBits(rest.data());
    }
    const auto at = static_cast<uint32_t>(p - base);
    const auto count = static_cast<size_t>(std::popcount(bits));
    // Eight at once, needed or not: a branch per comma would cost more.
    for (size_t i = 0; i < count; i += 8) {
      for (size_t k = 0; k < 8; ++k, bits &= bits - 1) {
        commas[found + i + k] = at + static_cast<uint32_t>(std::countr_zero(bits));
      }
    }
    found += count;
  }
  *begin = p < end ? p : end;
  return found;
}

template <typename T>
class ListReader {
 public:
  ListReader(T* out, int64_t count) : out_(out), count_(count) {}

  // Items that end in a comma each, the last one at `end`; false at a fault.
  bool Commas(const char* begin, const char* end) {
    std::array<uint32_t, kMostCommas> commas;
    const char* const short_from = begin + (end - begin < 16 ? end - begin : 16);
    const char* item = begin;
    T* out = out_;
    T* const out_end = out_ + count_;
    for (const char* block = begin; block < end;) {
      const char* const base = block;
      const size_t found = FindCommas(&block, end, commas.data());
      for (size_t i = 0; i < found; ++i, ++out) {
        const char* const comma = base + commas[i];
        ListFault fault = ListFault::kTooMany;
        if (out != out_end) fault = comma >= short_from ? Item(item, comma, out) : LongItem(item, comma, out);
        if (fault != ListFault::kNone) return Fault(fault, out - out_, {item, comma});
        item = comma + 1;
      }
    }
    read_ = out - out_;
    return true;
  }

  // The item behind the last comma, which may be absent. It is copied: what follows it is not known.
  bool Last(std::string_view text) {
    const std::string item(TrimBlanks(text));
    if (item.empty()) return read_ == count_ || Fault(ListFault::kTooFew, read_, text);
    if (read_ == count_) return Fault(ListFault::kTooMany, read_, text);
    const ListFault fault = LongItem(item.c_str(), item.c_str() + item.size(), out_ + read_);
    if (fault != ListFault::kNone) return Fault(fault, read_, text);
    return ++read_ == count_ || Fault(ListFault::kTooFew, read_, text);
  }

  NumberListResult result() const { return {fault_, read_, found_}; }

 private:
  static ListFault Judge(CellState state) {
    if (state == kValid) [[likely]]
      return ListFault::kNone;
    return state == kOutOfRange ? ListFault::kOutOfRange : ListFault::kNoNumber;
  }

  // The item before `end`, where a byte stands that no number has and before which 16 bytes may be read.
  static ListFault Item(const char* begin, const char* end, T* out) {
    ScannedNumber number;
    if (ScanShort<NumberForm::kLoose>(begin, end, &number)) [[likely]]
      return Judge(ReadElement(number, out));
    return LongItem(begin, end, out);
  }

  [[gnu::noinline]] static ListFault LongItem(const char* begin, const char* end, T* out) {
    ScannedNumber number;
    const char* const wide = end - begin < 8 ? nullptr : end - 8;
    if (!ScanNumber<NumberForm::kLoose>(SkipBlanks(begin), &number, wide)) return ListFault::kNoNumber;
    if (SkipBlanks(number.end) != end) return ListFault::kNoNumber;
    return Judge(ReadElement(number, out));
  }

  bool Fault(ListFault fault, int64_t read, std::string_view found) {
    fault_ = fault;
    read_ = read;
    found_ = TrimBlanks(found);
    return false;
  }

  T* const out_;
  const int64_t count_;
  int64_t read_ = 0;
  ListFault fault_ = ListFault::kNone;
  std::string_view found_;
};

}  // namespace

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsSpaceOrTab(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpaceOrTab(text.back())) text.remove_suffix(1);
  return text;
}

template <typename T>
NumberListResult ReadNumberList(std::string_view text, T* out, int64_t count) {
  ListReader<T> reader(out, count);
  const size_t last = text.rfind(',') + 1;
  if (reader.Commas(text.data(), text.data() + last)) reader.Last(text.substr(last));
  return reader.result();
}

template NumberListResult ReadNumberList(std::string_view text, float* out, int64_t count);
template NumberListResult ReadNumberList(std::string_view text, double* out, int64_t count);
template NumberListResult ReadNumberList(std::string_view text, int64_t* out, int64_t count);

}  // namespace anabranch
