#include "topologies/language/render.h"

#include <algorithm>
#include <string_view>

namespace anabranch {

namespace {

constexpr size_t kWidth = 110;  // bytes of a line that are shown
constexpr size_t kBefore = 50;  // of them before the caret, when the line is cut
constexpr std::string_view kCut = "…";

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Characters rather than bytes, so that the caret stands under its text.
size_t Characters(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), IsContinuation));
}

class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}
  std::string Paint(const char* code, const std::string& text) const {
    return colour_ ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
  }

 private:
  bool colour_;
};

struct Excerpt {
  std::string line;    // what is shown
  std::string indent;  // blanks up to the caret
  size_t carets = 1;
};

Excerpt CutExcerpt(const Fault& fault, std::string_view text) {
  const size_t begin = std::min<size_t>(fault.place.begin, text.size());
  const size_t newline = begin == 0 ? std::string_view::npos : text.rfind('\n', begin - 1);
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  const size_t line_end = std::min(text.find_first_of("\r\n", begin), text.size());
  const size_t marked = std::clamp<size_t>(fault.place.end, begin, std::max(begin, line_end));

  size_t from = line_begin;
  size_t to = line_end;
  if (to - from > kWidth) {
    from = std::max(line_begin, begin > kBefore ? begin - kBefore : 0);
    to = std::min(line_end, from + kWidth);
    while (from < begin && IsContinuation(text[from])) ++from;
    while (to > begin && to < line_end && IsContinuation(text[to])) --to;
  }
  Excerpt excerpt;
  const auto plain = [](std::string_view part) {
    std::string shown(part);
    for (char& c : shown) {
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';  // a tab would move the caret
    }
    return shown;
  };
  if (from > line_begin) excerpt.line += kCut;
  excerpt.line += plain(text.substr(from, to - from));
  if (to < line_end) excerpt.line += kCut;
  excerpt.indent.assign(Characters(text.substr(from, begin - from)) + (from > line_begin ? 1 : 0), ' ');
  excerpt.carets = std::max<size_t>(1, Characters(text.substr(begin, std::min(marked, to) - begin)));
  return excerpt;
}

}  // namespace

std::string RenderText(const Fault& fault, const std::string& file_text, bool colour) {
  const Painter painter(colour);
  const char* tint = fault.warning ? "1;33" : "1;31";
  std::string out =
      painter.Paint(tint, std::string(fault.warning ? "warning[" : "error[") + FaultName(fault.code) + "]");
  out += painter.Paint("1", ": " + fault.message) + "\n";
  out += painter.Paint("34", "  --> ") + fault.file;
  if (fault.place.line != 0) out += ":" + std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column);
  if (!fault.pointer.empty()) out += "   " + fault.pointer;
  out += "\n";
  if (file_text.empty() || fault.place.line == 0) {
    return fault.hint.empty() ? out : out + "      = " + fault.hint + "\n";
  }
  const Excerpt excerpt = CutExcerpt(fault, file_text);
  const std::string number = std::to_string(fault.place.line);
  const size_t margin = std::max<size_t>(number.size(), 5);
  out += painter.Paint("34", std::string(margin - number.size(), ' ') + number + " | ") + excerpt.line + "\n";
  out += painter.Paint("34", std::string(margin, ' ') + " | ") + excerpt.indent +
         painter.Paint(tint, std::string(excerpt.carets, '^') + (fault.hint.empty() ? "" : " " + fault.hint)) + "\n";
  return out;
}

}  // namespace anabranch
