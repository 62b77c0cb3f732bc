#include "topologies/language/render.h"

#include <algorithm>
#include <string_view>

#include "engine/printable.h"
#include "engine/text/utf8.h"

namespace anabranch {

namespace {

constexpr size_t kWidth = 110;  // bytes of a line that are shown
constexpr size_t kBefore = 50;  // of them before the caret, when the line is cut
constexpr std::string_view kCut = "…";

// Characters rather than bytes, so that the caret stands under its text.
size_t Characters(std::string_view text) { return static_cast<size_t>(CodePoints(text)); }

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

// The text of a file as an excerpt shows it.
class ShownText {
 public:
  ShownText(std::string_view text, const std::vector<Place>& secrets) : text_(text), secrets_(secrets) {}

  std::string Part(size_t begin, size_t end) const {
    std::string shown;
    auto next = std::lower_bound(secrets_.begin(), secrets_.end(), begin,
                                 [](const Place& secret, size_t at) { return secret.end <= at; });
    for (; next != secrets_.end() && next->begin < end; ++next) {
      const Place& secret = *next;
      if (secret.end <= begin) continue;
      if (secret.begin > begin) shown += Plain(begin, secret.begin);
      if (secret.begin >= begin) shown += "***";
      begin = secret.end;
      if (begin >= end) return shown;
    }
    return shown + Plain(begin, end);
  }

 private:
  std::string Plain(size_t begin, size_t end) const {
    std::string part(text_.substr(begin, end - begin));
    std::replace(part.begin(), part.end(), '\t', ' ');  // its width is not known
    return Printable(part);
  }

  std::string_view text_;
  const std::vector<Place>& secrets_;
};

Excerpt CutExcerpt(const Fault& fault, std::string_view text, const std::vector<Place>& secrets) {
  const size_t begin = std::min<size_t>(fault.place.begin, text.size());
  // A line may be the whole file: what is too far away to be shown is not looked at.
  const size_t first = begin > kWidth ? begin - kWidth - 1 : 0;
  const size_t newline = text.substr(first, begin - first).rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? first : first + newline + 1;
  const std::string_view behind = text.substr(begin, kWidth + 1);
  const size_t line_end = begin + std::min(behind.find_first_of("\r\n"), behind.size());
  const size_t marked = std::clamp<size_t>(fault.place.end, begin, std::max(begin, line_end));

  size_t from = line_begin;
  size_t to = line_end;
  if (to - from > kWidth) {
    from = std::max(line_begin, begin > kBefore ? begin - kBefore : 0);
    to = std::min(line_end, from + kWidth);
    while (from < begin && IsContinuation(text[from])) ++from;
    while (to > begin && to < line_end && IsContinuation(text[to])) --to;
  }
  const ShownText shown(text, secrets);
  const std::string before = shown.Part(from, begin);
  const std::string under = shown.Part(begin, std::min(marked, to));
  Excerpt excerpt;
  if (from > line_begin) excerpt.line += kCut;
  excerpt.line += before + under + shown.Part(std::min(marked, to), to);
  if (to < line_end) excerpt.line += kCut;
  excerpt.indent.assign(Characters(before) + (from > line_begin ? 1 : 0), ' ');
  excerpt.carets = std::max<size_t>(1, Characters(under));
  return excerpt;
}

}  // namespace

std::string RenderText(const Fault& fault, const std::string& file_text, bool colour,
                       const std::vector<Place>& secrets) {
  const Painter painter(colour);
  const char* tint = fault.warning ? "1;33" : "1;31";
  std::string out =
      painter.Paint(tint, std::string(fault.warning ? "warning[" : "error[") + FaultName(fault.code) + "]");
  out += painter.Paint("1", ": " + Printable(fault.message)) + "\n";
  out += painter.Paint("34", "  --> ") + Printable(fault.file);
  if (fault.place.line != 0) out += ":" + std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column);
  if (!fault.pointer.empty()) out += "   " + Printable(fault.pointer);
  out += "\n";
  const std::string hint = Printable(fault.hint);
  if (file_text.empty() || fault.place.line == 0) {
    return hint.empty() ? out : out + "      = " + hint + "\n";
  }
  const Excerpt excerpt = CutExcerpt(fault, file_text, secrets);
  const std::string number = std::to_string(fault.place.line);
  const size_t margin = std::max<size_t>(number.size(), 5);
  out += painter.Paint("34", std::string(margin - number.size(), ' ') + number + " | ") + excerpt.line + "\n";
  out += painter.Paint("34", std::string(margin, ' ') + " | ") + excerpt.indent +
         painter.Paint(tint, std::string(excerpt.carets, '^') + (hint.empty() ? "" : " " + hint)) + "\n";
  return out;
}

}  // namespace anabranch
