// How fast a text of comma-separated numbers becomes a tensor, against std::from_chars over the same text in the same
// run:
//   numbers/from_chars   784 numbers of about ten characters, to float32 and to float64 (floors 1.7 and 1.9)
//   pixels/from_chars    784 grey values as Java writes them, half of them 0.0 (floor 1.4)
// and how fast a record that holds such a text is written back (the echo), against memcpy of the same text.
#include <charconv>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/text/number_list.h"

namespace anabranch::bench {
namespace {

constexpr int64_t kNumbers = 784;
constexpr size_t kTexts = 64;
constexpr int kRounds = 15;
constexpr int kTurns = 3;  // over all texts per round and side

std::string Shortest(float value) {
  char text[32];
  std::string written(text, std::to_chars(text, text + sizeof text, value).ptr);
  if (written.find_first_of(".e") == std::string::npos) written += ".0";
  return written;
}

template <typename Next>
std::vector<std::string> Texts(Next next) {
  std::mt19937 random(1);
  std::vector<std::string> texts(kTexts);
  for (std::string& text : texts) {
    for (int64_t i = 0; i < kNumbers; ++i) text += Shortest(next(random)) + ",";
  }
  return texts;
}

template <typename T>
bool FromChars(const std::string& text, T* out) {
  const char* p = text.data();
  const char* end = p + text.size();
  for (int64_t i = 0; i < kNumbers; ++i) {
    const std::from_chars_result result = std::from_chars(p, end, out[i]);
    if (result.ec != std::errc() || result.ptr == end || *result.ptr != ',') return false;
    p = result.ptr + 1;
  }
  return p == end;
}

template <typename T>
bool Ours(const std::string& text, T* out) {
  return ReadNumberList(text, out, kNumbers).fault == ListFault::kNone;
}

// Nanoseconds per number.
template <typename T, typename Read>
double Time(const std::vector<std::string>& texts, Read read) {
  std::vector<T> out(kNumbers);
  const double begin = WallSeconds();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const std::string& text : texts) {
      if (!read(text, out.data())) std::exit(1);
    }
  }
  return (WallSeconds() - begin) * 1e9 / static_cast<double>(kTurns * texts.size() * kNumbers);
}

template <typename T>
void Compare(const char* name, const std::vector<std::string>& texts, double floor, Report* report) {
  std::vector<double> base, ours, ratio;
  for (int round = -1; round < kRounds; ++round) {
    const double a = Time<T>(texts, FromChars<T>);
    const double b = Time<T>(texts, Ours<T>);
    if (round < 0) continue;
    base.push_back(a);
    ours.push_back(b);
    ratio.push_back(a / b);
  }
  report->Value(std::string(name) + ", std::from_chars", SpreadOf(base), "ns per number");
  report->Value(std::string(name) + ", ours", SpreadOf(ours), "ns per number");
  report->AtLeast(std::string(name) + "/from_chars", SpreadOf(ratio), "x", floor);
}

int Main() {
  std::uniform_real_distribution<float> unit(0, 1);
  std::uniform_int_distribution<int> grey(1, 255);
  const std::vector<std::string> random = Texts([&](std::mt19937& r) { return unit(r); });
  const std::vector<std::string> pixels =
      Texts([&](std::mt19937& r) { return r() % 2 == 0 ? 0.0F : static_cast<float>(grey(r)) / 255; });
  std::printf("texts: %zu bytes of random numbers, %zu bytes of pixels\n", random[0].size(), pixels[0].size());
  Report report;
  Compare<float>("numbers to float32", random, 1.7, &report);
  Compare<double>("numbers to float64", random, 1.9, &report);
  Compare<float>("pixels to float32", pixels, 1.4, &report);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main() { return anabranch::bench::Main(); }
