#include "engine/fault.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <tuple>
#include <utility>

namespace anabranch {

namespace {

constexpr size_t kMaxFaults = 10'000;  // a hostile file must not fill the memory with its own faults
constexpr size_t kMaxNamed = 8;
constexpr size_t kLongestName = 128;  // longer ones are not suggested

// The id in "/nodes/ID/…", or empty.
std::string NodeOf(const std::string& pointer) {
  constexpr std::string_view kNodes = "/nodes/";
  if (pointer.compare(0, kNodes.size(), kNodes) != 0) return {};
  return pointer.substr(kNodes.size(), pointer.find('/', kNodes.size()) - kNodes.size());
}

// Edits (insert, delete, replace, swap of neighbours) between two words, ignoring case; `limit` + 1 when more.
size_t Distance(std::string_view a, std::string_view b, size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit || b.size() >= kLongestName) return limit + 1;
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::array<size_t, kLongestName> rows[3];
  size_t* before = rows[0].data();
  size_t* last = rows[1].data();
  size_t* row = rows[2].data();
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    size_t least = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > limit) return limit + 1;
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string FaultName(FaultCode code) {
  char name[16];
  std::snprintf(name, sizeof name, "AB%03u", static_cast<unsigned>(code));
  return name;
}

Fault& FaultSink::Add(FaultCode code, const ConfigValue& at, std::string message, std::string hint) {
  return Push(code, at, at.place, std::move(message), std::move(hint));
}

Fault& FaultSink::AddAtName(FaultCode code, const ConfigValue& member, std::string message, std::string hint) {
  return Push(code, member, member.name_place.line != 0 ? member.name_place : member.place, std::move(message),
              std::move(hint));
}

void FaultSink::AddInside(FaultCode code, const ConfigValue& at, size_t offset, size_t length, std::string message,
                          std::string hint) {
  Place place = at.place;
  // Escapes make the written form longer than the text; then only the whole value is known.
  const bool exact = at.is_string() && !at.expanded && at.place.end - at.place.begin == at.text.size() + 2;
  if (exact && offset <= at.text.size()) {
    place.begin += static_cast<uint32_t>(1 + offset);
    place.column += static_cast<uint32_t>(1 + offset);
    place.end = place.begin + static_cast<uint32_t>(std::min(std::max<size_t>(length, 1), at.text.size() + 1 - offset));
  }
  Push(code, at, place, std::move(message), std::move(hint));
}

Fault& FaultSink::AddAtPlace(FaultCode code, const Place& place, std::string pointer, std::string message,
                             std::string hint) {
  if (code < FaultCode::kUnused) ++errors_;
  if (faults_.size() >= kMaxFaults) return surplus_;
  Fault fault;
  fault.code = code;
  fault.warning = code >= FaultCode::kUnused;
  fault.message = std::move(message);
  fault.hint = std::move(hint);
  fault.file = file_;
  fault.place = place;
  fault.node = NodeOf(pointer);
  fault.pointer = std::move(pointer);
  return faults_.emplace_back(std::move(fault));
}

void FaultSink::PassOn(const Fault& fault) {
  Fault& added = AddAtPlace(fault.code, fault.place, fault.pointer, fault.message, fault.hint);
  added.meant = fault.meant;
  added.subject = fault.subject;
}

Fault& FaultSink::Push(FaultCode code, const ConfigValue& at, const Place& place, std::string message,
                       std::string hint) {
  if (faults_.size() >= kMaxFaults) return surplus_;
  return AddAtPlace(code, place, at.Pointer(), std::move(message), std::move(hint));
}

std::vector<Fault> FaultSink::Sorted() const {
  const auto key = [](const Fault& fault) { return std::tie(fault.place.begin, fault.code, fault.message); };
  std::vector<Fault> sorted = faults_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Fault& a, const Fault& b) { return key(a) < key(b); });
  sorted.erase(std::unique(sorted.begin(), sorted.end(),
                           [&](const Fault& a, const Fault& b) {
                             return key(a) == key(b) && a.place.end == b.place.end && a.pointer == b.pointer;
                           }),
               sorted.end());
  return sorted;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& known) {
  size_t best = std::max<size_t>(1, word.size() / 3);
  const std::string* nearest = nullptr;
  // One edit of a very short word makes any other: then the first letter has to agree.
  const auto may_be_meant = [word](const std::string& each) { return word.size() > 3 || each.starts_with(word[0]); };
  if (!word.empty() && word.size() <= 64) {
    for (const std::string& each : known) {
      const size_t distance = Distance(word, each, best);
      if (!may_be_meant(each)) continue;
      if (distance < best || (distance == best && nearest == nullptr)) {
        best = distance;
        nearest = &each;
      }
    }
  }
  return nearest != nullptr ? *nearest : std::string();
}

std::string Suggest(std::string_view word, const std::vector<std::string>& known) {
  if (known.empty()) return {};
  const std::string nearest = Nearest(word, known);
  if (!nearest.empty()) return "did you mean \"" + nearest + "\"?";
  std::string text = "known: ";
  const size_t named = std::min(known.size(), kMaxNamed);
  for (size_t i = 0; i < named; ++i) text += (i ? ", " : "") + known[i];
  if (known.size() > named) text += " and " + std::to_string(known.size() - named) + " more";
  return text;
}

}  // namespace anabranch
