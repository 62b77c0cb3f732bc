#include "topologies/commands/test_view.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "engine/printable.h"
#include "engine/text/json_object.h"
#include "topologies/commands/command.h"
#include "topologies/commands/github_text.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {
namespace {

constexpr size_t kMostDifferences = 20;
constexpr int kNameWidth = 50;

bool Passed(const ShownTest& test) { return test.outcome.differences.empty(); }

int64_t Milliseconds(int64_t ns) { return (ns + 999'999) / 1'000'000; }

std::string Sentence(const Difference& difference) {
  if (difference.actual.empty()) return difference.expected;
  return difference.where + ": expected " + difference.expected + ", got " + difference.actual;
}

std::string PlaceText(const std::string& file, const Place& place) {
  return file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

// What went wrong, a line each.
std::vector<std::string> Lines(const ShownFile& file, const ShownTest& test) {
  std::vector<std::string> lines;
  for (const Difference& each : test.outcome.differences) {
    if (lines.size() == kMostDifferences) {
      lines.push_back("and " + Count(std::ssize(test.outcome.differences) - std::ssize(lines), "more difference"));
      break;
    }
    lines.push_back(Sentence(each) + "      " + PlaceText(file.file->file(), each.at->place));
  }
  lines.insert(lines.end(), test.outcome.ways.begin(), test.outcome.ways.end());
  return lines;
}

std::string WithHint(const Fault& fault) {
  return fault.hint.empty() ? fault.message : fault.message + " (" + fault.hint + ")";
}

std::string Seconds(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(ns) / 1e9);
  return text;
}

// Text of XML, in an attribute or between tags; characters that XML does not have become spaces.
std::string XmlText(const std::string& text) {
  std::string escaped;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

int64_t TimeOf(const ShownFile& file) {
  int64_t ns = 0;
  for (const ShownTest& test : file.tests) ns += test.outcome.elapsed_ns;
  return ns;
}

std::string JunitCase(const ShownFile& file, const ShownTest& test) {
  std::string text = "    <testcase name=\"" + XmlText(test.test->name) + "\" classname=\"" +
                     XmlText(file.file->file()) + "\" time=\"" + Seconds(test.outcome.elapsed_ns) + "\"";
  if (Passed(test)) return text + "/>\n";
  text +=
      ">\n      <failure type=\"difference\" message=\"" + XmlText(Sentence(test.outcome.differences.front())) + "\">";
  for (const std::string& line : Lines(file, test)) text += XmlText(line) + "\n";
  return text + "</failure>\n    </testcase>\n";
}

// A file whose cases could not run.
std::string JunitFault(const ShownFile& file) {
  const std::vector<Fault> faults = AllFaults(*file.file);
  const auto first = std::ranges::find(faults, false, &Fault::warning);
  std::string text = "    <testcase name=\"check\" classname=\"" + XmlText(file.file->file()) + "\" time=\"0.000\">\n" +
                     "      <error type=\"fault\" message=\"" +
                     XmlText(first == faults.end() ? "the file is faulty" : first->message) + "\">";
  for (const Fault& fault : faults) {
    if (!fault.warning) text += XmlText(PlaceText(fault.file, fault.place) + ": " + WithHint(fault)) + "\n";
  }
  return text + "</error>\n    </testcase>\n";
}

std::string JunitSuite(const ShownFile& file) {
  const bool ran = file.file->ok();
  const int64_t failed = std::ranges::count_if(file.tests, [](const ShownTest& test) { return !Passed(test); });
  std::string text = "  <testsuite name=\"" + XmlText(file.file->file()) + "\" tests=\"" +
                     std::to_string(ran ? file.tests.size() : 1) + "\" failures=\"" + std::to_string(failed) +
                     "\" errors=\"" + (ran ? "0" : "1") + "\" skipped=\"0\" time=\"" + Seconds(TimeOf(file)) + "\">\n";
  if (ran) {
    const Plan& plan = *file.file->topology().plan;
    text += "    <properties>\n      <property name=\"topology\" value=\"" + XmlText(plan.name + "@" + plan.hash) +
            "\"/>\n      <property name=\"models\" value=\"" + XmlText(plan.models) + "\"/>\n    </properties>\n";
  }
  for (const ShownTest& test : file.tests) text += JunitCase(file, test);
  if (!ran) text += JunitFault(file);
  return text + "  </testsuite>\n";
}

std::string DifferenceJson(const ShownFile& file, const Difference& difference) {
  JsonObject json;
  json.AddText("message", Sentence(difference));
  if (!difference.where.empty()) json.AddText("where", difference.where);
  if (!difference.actual.empty()) json.AddText("expected", difference.expected).AddText("actual", difference.actual);
  json.AddText("file", file.file->file());
  json.AddNumber("line", difference.at->place.line).AddNumber("column", difference.at->place.column);
  json.AddText("pointer", difference.at->Pointer());
  return json.text();
}

}  // namespace

std::vector<Fault> AllFaults(const TestFile& file) {
  std::vector<Fault> all = file.faults();
  if (file.stands_alone()) all.insert(all.end(), file.topology().faults.begin(), file.topology().faults.end());
  return all;
}

std::string FaultJson(const Fault& fault) {
  JsonObject json;
  json.AddText("code", FaultName(fault.code));
  json.AddText("severity", fault.warning ? "warning" : "error");
  json.AddText("message", fault.message);
  json.AddText("file", fault.file);
  json.AddNumber("line", fault.place.line);
  json.AddNumber("column", fault.place.column);
  json.AddText("pointer", fault.pointer);
  if (!fault.node.empty()) json.AddText("node", fault.node);
  if (!fault.hint.empty()) json.AddText("hint", fault.hint);
  return json.text();
}

std::string FaultsGithub(const TestFile& file) {
  std::string text;
  for (const Fault& fault : AllFaults(file)) {
    text += GithubLine(fault.warning ? "warning" : "error", fault.file, fault.place, FaultName(fault.code),
                       WithHint(fault));
  }
  return text;
}

void RenderTestFile(const TestFile& file, bool colour, std::ostream& out) {
  const CheckedTopology& topology = file.topology();
  if (file.stands_alone()) {
    RenderFaults(topology.faults, topology.topology.get(), file.topology_file(), colour, out);
  }
  RenderFaults(file.faults(), file.tree(), file.file(), colour, out);
}

std::string TestText(const ShownFile& file, const ShownTest& test) {
  std::string name = Printable(test.test->name);
  name.resize(std::max<size_t>(name.size(), kNameWidth), ' ');
  std::string text = (Passed(test) ? "  ok    " : "  FAIL  ") + name + " " +
                     std::to_string(Milliseconds(test.outcome.elapsed_ns)) + " ms\n";
  for (const std::string& line : Lines(file, test)) text += "        " + Printable(line) + "\n";
  if (Passed(test) && !test.outcome.everything.empty()) {
    text += "        expects nothing, so only that no record fails; `anabranch test --record` writes what came out\n";
  }
  return text;
}

std::string CoverageText(const ShownFile& file) {
  if (file.not_covered.empty()) return "  everything is covered\n";
  std::string text = "  not covered: ";
  for (const std::string& each : file.not_covered) text += (&each == &file.not_covered.front() ? "" : ", ") + each;
  return text + "\n";
}

std::string TestSummary(const std::vector<ShownFile>& files) {
  int64_t count = 0, failed = 0, faulty = 0, ns = 0;
  for (const ShownFile& file : files) {
    count += std::ssize(file.tests);
    failed += std::ranges::count_if(file.tests, [](const ShownTest& test) { return !Passed(test); });
    faulty += file.file->ok() ? 0 : 1;
    ns += TimeOf(file);
  }
  std::string text = Count(count, "case") + ", " + std::to_string(failed) + " failed";
  if (faulty > 0) text += ", " + Count(faulty, "file") + " faulty";
  return text + " in " + std::to_string(Milliseconds(ns)) + " ms\n";
}

std::string TestsJson(const std::vector<ShownFile>& files) {
  bool ok = true;
  std::vector<std::string> shown;
  for (const ShownFile& file : files) {
    ok = ok && file.file->ok();
    std::vector<std::string> cases;
    for (const ShownTest& test : file.tests) {
      ok = ok && Passed(test);
      std::vector<std::string> differences;
      for (const Difference& each : test.outcome.differences) differences.push_back(DifferenceJson(file, each));
      JsonObject json;
      json.AddText("name", test.test->name).AddFlag("ok", Passed(test));
      json.AddNumber("ms", Milliseconds(test.outcome.elapsed_ns));
      json.AddJson("differences", JsonList(differences)).AddJson("records", JsonStrings(test.outcome.ways));
      cases.push_back(json.text());
    }
    JsonObject json;
    json.AddText("file", file.file->file()).AddFlag("faulty", !file.file->ok());
    std::vector<std::string> faults;
    for (const Fault& fault : AllFaults(*file.file)) faults.push_back(FaultJson(fault));
    json.AddJson("faults", JsonList(faults));
    json.AddJson("cases", JsonList(cases)).AddJson("not_covered", JsonStrings(file.not_covered));
    shown.push_back(json.text());
  }
  JsonObject all;
  all.AddFlag("ok", ok).AddJson("files", JsonList(shown));
  return all.text() + "\n";
}

std::string TestsGithub(const ShownFile& file, const ShownTest& test) {
  std::string text;
  for (const Difference& each : test.outcome.differences) {
    text += GithubLine("error", file.file->file(), each.at->place, test.test->name, Sentence(each));
  }
  return text;
}

std::string TestsJunit(const std::vector<ShownFile>& files) {
  std::string suites;
  for (const ShownFile& file : files) suites += JunitSuite(file);
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n" + suites + "</testsuites>\n";
}

}  // namespace anabranch
