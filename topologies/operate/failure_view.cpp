#include "topologies/operate/failure_view.h"

#include <cstdio>
#include <iterator>
#include <utility>

#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

// A label and a value; further lines of the value are aligned below its first.
std::string Entry(const std::string& label, const std::string& value) {
  std::string text = "  " + label + std::string(label.size() < 10 ? 10 - label.size() : 1, ' ');
  for (const char c : PrintableLines(value)) {
    text += c;
    if (c == '\n') text += std::string(12, ' ');
  }
  return text + "\n";
}

std::string RecordsText(const Failure& failure) {
  std::string text = Joined(failure.records);
  if (failure.kept_rows > static_cast<int64_t>(failure.records.size()) && !text.empty()) text += ", …";
  return text;
}

std::string KeptText(const Failure& failure) {
  if (!failure.not_kept.empty()) {
    return "nothing: " + failure.not_kept + ". The source still has the records, and they are read again from there";
  }
  if (failure.kept_rows == 0) return "nothing had to be kept; complete results are committed";
  return Count(failure.kept_rows, "record") + " with the results they had (" + BytesText(failure.kept_bytes) +
         "); earlier complete results are committed";
}

std::string ReusedText(const RestartPlan& plan) {
  std::string text;
  for (const RestartPlan::Reused& reused : plan.results_reused) {
    text +=
        (text.empty() ? "" : "\n") + reused.node + ": " + Count(reused.rows, "row") + ", " + BytesText(reused.bytes);
    const char* by = ", made by ";
    for (const std::string& version : reused.versions) text += std::exchange(by, ", ") + version;
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace

std::string ClassText(ErrorClass error_class) {
  std::string word(TextOf(error_class));
  switch (error_class) {
    case ErrorClass::kNone: return word;
    case ErrorClass::kStage: return word + ": every record would fail";
    case ErrorClass::kTransient: return word + ": retries did not help";
    case ErrorClass::kTimeout: return word + ": it exceeded its time limit";
    case ErrorClass::kBreaker: return word + ": too many of its records failed";
    case ErrorClass::kContract: return word + ": a record failed, and its node stops on errors";
    case ErrorClass::kCrash: return word + ": the process died in it repeatedly";
    case ErrorClass::kTarget: return word + ": the target refused or is gone";
    case ErrorClass::kSource: return word + ": the source refused or is gone";
    case ErrorClass::kLostPosition: return word + ": the records at a stored position cannot be read any more";
  }
  return word;
}

std::string Count(int64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string BytesText(int64_t bytes) {
  if (bytes < 1000) return Count(bytes, "byte");
  const char* const units[] = {"kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, units[unit]);
  return text;
}

std::string NextOf(const Failure& failure, const NextCommands& next) {
  return next.restart + (failure.error_class == ErrorClass::kLostPosition ? " --accept-loss" : "");
}

std::string FailureText(const Failure& failure, const NextCommands& next) {
  std::string text = "stage \"" + failure.stage + "\" stopped: " + PrintableLines(failure.message) + "\n";
  text += Entry("class", ClassText(failure.error_class));
  text += Entry("attempts", std::to_string(failure.attempts));
  text += Entry("since", FormatInstant(failure.at_ms));
  if (!failure.records.empty()) text += Entry("records", RecordsText(failure));
  text += Entry("kept", KeptText(failure));
  if (failure.error_class == ErrorClass::kLostPosition) {
    return text + "To resume at the first readable record:\n  " + NextOf(failure, next) + "\n";
  }
  text += "Fix the cause, then restart from this stage:\n  " + NextOf(failure, next) + "\n";
  if (failure.kept_rows > 0) text += "Or skip its records, which then become dead letters:\n  " + next.skip + "\n";
  return text;
}

std::string UnrecordedText(const Failure& failure, const std::string& why, const std::string& next) {
  std::string text = "stage \"" + failure.stage + "\" stopped: " + PrintableLines(failure.message) + "\n";
  text += Entry("class", ClassText(failure.error_class));
  text += "This failure could not be recorded: " + PrintableLines(why) + ".\n";
  text += "Nothing is lost: uncommitted records are read from their source again. Then run:\n  " + next + "\n";
  return text;
}

std::string RestartPlanText(const Failure& failure, const RestartPlan& plan) {
  std::string text = "stage \"" + failure.stage + "\" stopped at " + FormatInstant(failure.at_ms) + ": " +
                     PrintableLines(failure.message) + "\n";
  text += "restart from \"" + plan.from + "\"\n";
  text += Entry("runs", Joined(plan.stages_to_run));
  text += Entry("reuses", plan.recompute ? "nothing: everything is computed again from the records" : ReusedText(plan));
  text += Entry("records", std::to_string(plan.records) + ", then live input");
  if (plan.unclaimed > 0) text += Entry("drops", Count(plan.unclaimed, "record") + " that no node reads any more");
  text += Entry("changes", plan.changes.empty() ? "none" : Joined(plan.changes));
  if (plan.unchanged) {
    text += Entry("warning",
                  "nothing changed in this stage or below it since it failed. It will fail again unless the\n"
                  "cause was outside. Its breaker continues from the dead letters already counted.");
  }
  text += Entry("token", plan.token);
  if (plan.refused) text += "refused: " + *plan.refused + "\n";
  return text;
}

std::string RestartPlanJson(const RestartPlan& plan) {
  std::vector<std::string> reused;
  for (const RestartPlan::Reused& each : plan.results_reused) {
    JsonObject json;
    json.AddText("node", each.node).AddNumber("rows", each.rows).AddNumber("bytes", each.bytes);
    if (!each.versions.empty()) json.AddJson("versions", JsonStrings(each.versions));
    reused.push_back(json.text());
  }
  JsonObject json;
  json.AddText("from", plan.from).AddJson("stages_to_run", JsonStrings(plan.stages_to_run));
  json.AddJson("results_reused", JsonList(reused)).AddNumber("records", plan.records);
  json.AddNumber("unclaimed", plan.unclaimed).AddFlag("recompute", plan.recompute);
  json.AddJson("changes", JsonStrings(plan.changes)).AddFlag("unchanged", plan.unchanged);
  if (plan.refused) {
    json.AddText("refused", *plan.refused);
  } else {
    json.AddJson("refused", "null");
  }
  return json.AddText("token", plan.token).text();
}

std::string NothingFailedJson() {
  JsonObject json;
  json.AddJson("from", "null").AddJson("stages_to_run", "[]").AddJson("results_reused", "[]").AddNumber("records", 0);
  json.AddNumber("unclaimed", 0).AddFlag("recompute", false).AddJson("changes", "[]").AddFlag("unchanged", false);
  json.AddJson("refused", "null");
  return json.AddText("token", "").text();
}

}  // namespace anabranch
