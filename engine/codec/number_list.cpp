#include "engine/codec/number_list.h"

#include <string>

#include "engine/codec/cell_slot.h"
#include "engine/codec/number.h"

namespace anabranch {
namespace {

constexpr size_t kWideBytes = 8;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// The text at `p` up to the next comma, without the blanks behind it.
std::string_view ItemAt(const char* p, const char* end) {
  const std::string_view rest(p, static_cast<size_t>(end - p));
  std::string_view item = rest.substr(0, rest.find(','));
  while (!item.empty() && IsBlank(item.back())) item.remove_suffix(1);
  return item;
}

// A list whose every item ends before its end: the scanner stops at the commas and needs no length.
template <typename T>
class ListReader {
 public:
  ListReader(T* out, int64_t count) : out_(out), count_(count) {}

  // Items up to and with the comma before `end`; false at a fault.
  bool Commas(const char* p, const char* end) {
    const char* const wide = static_cast<size_t>(end - p) < kWideBytes ? nullptr : end - kWideBytes;
    T* out = out_;
    T* const out_end = out_ + count_;
    ListFault fault = ListFault::kTooMany;
    for (; p < end && out != out_end; ++p, ++out) {
      const char* behind = nullptr;
      fault = Item(p, wide, out, &behind);
      if (fault != ListFault::kNone || *behind != ',') break;
      p = behind;
    }
    read_ = out - out_;
    if (p == end) return true;
    if (out == out_end) fault = ListFault::kTooMany;
    return Fault(fault == ListFault::kNone ? ListFault::kNoNumber : fault, ItemAt(p, end));
  }

  // The item behind the last comma, which may be absent. It is copied: what follows it is not known.
  bool Last(std::string_view text) {
    const std::string item(text);
    const char* const end = item.c_str() + item.size();
    const char* const begin = SkipBlanks(item.c_str());
    if (begin == end && read_ == count_) return true;
    if (read_ == count_) return Fault(ListFault::kTooMany, text);
    if (begin == end) return Fault(ListFault::kTooFew, text);
    const char* behind = nullptr;
    const ListFault fault = Item(begin, nullptr, out_ + read_, &behind);
    if (fault != ListFault::kNone) return Fault(fault, text);
    if (behind != end) return Fault(ListFault::kNoNumber, text);
    if (++read_ == count_) return true;
    return Fault(ListFault::kTooFew, text);
  }

  NumberListResult result() const { return {failed_, read_, found_}; }

 private:
  static const char* SkipBlanks(const char* p) {
    while (IsBlank(*p)) ++p;
    return p;
  }

  // Reads the item at `p`; *behind is what follows it and its blanks.
  static ListFault Item(const char* p, const char* wide, T* out, const char** behind) {
    ScannedNumber number;
    if (!ScanNumber<NumberForm::kLoose>(SkipBlanks(p), &number, wide)) return ListFault::kNoNumber;
    const CellState state = ReadElement(number, out);
    if (state != kValid) [[unlikely]]
      return state == kOutOfRange ? ListFault::kOutOfRange : ListFault::kNoNumber;
    *behind = SkipBlanks(number.end);
    return ListFault::kNone;
  }

  bool Fault(ListFault fault, std::string_view item) {
    while (!item.empty() && IsBlank(item.front())) item.remove_prefix(1);
    failed_ = fault;
    found_ = ItemAt(item.data(), item.data() + item.size());
    return false;
  }

  T* const out_;
  const int64_t count_;
  int64_t read_ = 0;
  ListFault failed_ = ListFault::kNone;
  std::string_view found_;
};

}  // namespace

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
