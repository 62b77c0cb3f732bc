#include "topologies/commands/diff_view.h"

#include <algorithm>
#include <cstdio>

#include "engine/printable.h"
#include "engine/text/json_literals.h"
#include "engine/text/json_object.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {
namespace {

constexpr size_t kMostShown = 60;  // bytes of a value

std::string Digits(double number) {
  char text[32];
  return {text, static_cast<size_t>(std::snprintf(text, sizeof text, "%.3g", number))};
}

std::string Percent(double share) { return Digits(100 * share) + " %"; }

std::string Shown(const std::string& text) { return Printable(text, kMostShown); }

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + Printable(name);
  return text;
}

// Columns of a table: the first `left` begin at the left, numbers end at the right.
std::string Table(const std::vector<std::vector<std::string>>& lines, const std::string& indent, size_t left) {
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string row = indent;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string blanks(widths[i] - line[i].size(), ' ');
      row += (i == 0 ? "" : "  ") + (i < left ? line[i] + blanks : blanks + line[i]);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string FieldChangeText(const WrittenFieldChange& change) {
  const std::string field = change.target + ": field \"" + Printable(change.field) + "\" ";
  if (change.before.empty()) return field + "is new: " + change.after;
  if (change.after.empty()) return field + "is gone; it was " + change.before;
  return field + "is " + change.after + "; it was " + change.before;
}

std::string PlansText(const PlansReport& plans) {
  if (plans.same) return "plans: no difference\n";
  std::string text = "plans\n";
  for (const std::string& line : plans.changes) text += "  " + Printable(line) + "\n";
  for (const WrittenFieldChange& change : plans.fields) text += "  " + FieldChangeText(change) + "\n";
  if (!plans.reused.empty()) text += "  a restart reuses the saved results of: " + Listed(plans.reused) + "\n";
  if (!plans.run_again.empty()) {
    text += (plans.reused.empty() ? "  a restart runs again: " : "  and runs again: ") + Listed(plans.run_again) + "\n";
  }
  for (const std::string& line : plans.moved) text += "  a restart needs --new-identity: " + Printable(line) + "\n";
  return text;
}

std::string FlipsText(const FieldReport& field) {
  std::string text;
  for (const Flip& flip : field.flips) {
    text += (text.empty() ? "" : "; ") + Shown(flip.before) + " -> " + Shown(flip.after) + ": " +
            std::to_string(flip.count);
  }
  if (field.other_flips > 0) text += "; others: " + std::to_string(field.other_flips);
  return text;
}

std::string ExamplesText(const FieldReport& field, const std::string& indent) {
  std::string text;
  for (const ValueChange& change : field.examples) {
    text += indent + Printable(change.record) + "  " + Shown(change.before) + " -> " + Shown(change.after) + "\n";
  }
  return text;
}

std::vector<std::string> FieldLine(const FieldReport& field) {
  const bool both = !field.added() && !field.removed();
  const bool numbers = field.numbers > 0;
  std::string type = both && field.type_before != field.type_after ? field.type_before + " -> " + field.type_after
                     : field.removed()                             ? field.type_before
                                                                   : field.type_after;
  return {Printable(field.name),
          std::move(type),
          both            ? std::to_string(field.equal)
          : field.added() ? "new"
                          : "gone",
          both ? std::to_string(field.changed) : "",
          both && numbers ? Digits(field.max_delta) : "",
          both && numbers ? Digits(field.p99_delta) : ""};
}

// The fields that changed, and the names of those that did not.
std::string FieldsText(const TargetReport& target) {
  std::vector<std::vector<std::string>> lines = {{"field", "type", "equal", "changed", "max delta", "p99 delta"}};
  std::vector<std::string> equal, near;
  std::string details;
  for (const std::vector<FieldReport>* fields : {&target.fields, &target.envelope}) {
    for (const FieldReport& field : *fields) {
      const bool differs =
          field.changed > 0 || field.added() || field.removed() || field.type_before != field.type_after;
      if (differs) lines.push_back(FieldLine(field));
      if (!differs && field.near == 0) equal.push_back(field.name);
      if (!differs && field.near > 0) near.push_back(field.name + " (at most " + Digits(field.max_delta) + ")");
      if (field.changed == 0 || field.removed()) continue;
      details += "    " + Printable(field.name) + (field.numbers > 0 ? ", the largest changes" : "") +
                 (field.flips.empty() ? "" : ": " + FlipsText(field)) + "\n" + ExamplesText(field, "      ");
    }
  }
  std::string text = lines.size() > 1 ? Table(lines, "    ", 2) : "";
  if (!equal.empty()) text += "    equal: " + Listed(equal) + "\n";
  if (!near.empty()) text += "    equal within the tolerance: " + Listed(near) + "\n";
  return text + details;
}

std::string OneSidedText(const OneSidedRows& rows, const std::string& side) {
  if (rows.rows == 0) return "";
  std::vector<std::string> why;
  for (const auto& [text, count] : rows.why) why.push_back(text + ": " + std::to_string(count));
  return "    " + Count(rows.rows, "row") + " only " + side + "; " + Listed(why) + "; such as " +
         Listed(rows.examples) + "\n";
}

std::string TargetText(const TargetReport& target) {
  std::string text = "  " + target.id;
  if (!target.was.empty()) text += ", was " + target.was;
  if (target.added) return text + " is new: " + Count(target.rows_after, "row") + "\n";
  if (target.removed) return text + " is gone: " + Count(target.rows_before, "row") + "\n";
  text += ": ";
  if (target.only_before.rows + target.only_after.rows == 0) {
    text += Count(target.both, "row") + " on both sides, ";
  } else {
    text += Count(target.rows_before, "row") + " before, " + std::to_string(target.rows_after) + " after, " +
            std::to_string(target.both) + " on both sides, ";
  }
  text += (target.changed == 0 ? "none" : std::to_string(target.changed)) + " changed\n";
  if (target.both > 0) text += FieldsText(target);
  return text + OneSidedText(target.only_before, "before") + OneSidedText(target.only_after, "after");
}

std::string LettersText(const std::vector<LetterCount>& letters) {
  if (letters.empty()) return "";
  std::vector<std::vector<std::string>> lines = {{"dead letters", "code", "before", "after"}};
  for (const LetterCount& letter : letters) {
    lines.push_back(
        {Printable(letter.node), Printable(letter.code), std::to_string(letter.before), std::to_string(letter.after)});
  }
  return Table(lines, "  ", 2);
}

std::string DiffVerdict(const DiffReport& report) {
  const RowsReport& rows = *report.rows;
  if (rows.records == 0) return "there was no record to compare\n";
  if (report.nothing_compared()) {
    return "no record got through: none of " + std::to_string(rows.records) +
           " has a result on either side, so nothing was compared\n";
  }
  if (rows.changed == 0) return "no difference in the results of " + Count(rows.records, "record") + "\n";
  return "changed: the results of " + std::to_string(rows.changed) + " of " + Count(rows.records, "record") + " (" +
         Percent(rows.share()) + "); " + (report.within() ? "within" : "more than") + " --max-changed " +
         Digits(report.max_changed) + "\n";
}

std::string NumberJson(double number) {
  std::string text;
  AppendJsonNumber(&text, number);
  return text;
}

std::string PlansJson(const PlansReport& plans) {
  static constexpr const char* kChanges[] = {"same", "above", "edited", "new", "gone"};
  std::vector<std::string> nodes, fields;
  for (const NodeReport& node : plans.nodes) {
    JsonObject json;
    json.AddText("id", node.id).AddText("kind", node.kind);
    if (!node.was.empty()) json.AddText("was", node.was);
    json.AddText("change", kChanges[static_cast<size_t>(node.change)]);
    json.AddText("fingerprint_before", node.fingerprint_before).AddText("fingerprint_after", node.fingerprint_after);
    nodes.push_back(json.text());
  }
  for (const WrittenFieldChange& change : plans.fields) {
    JsonObject json;
    json.AddText("target", change.target).AddText("field", change.field);
    fields.push_back(json.AddText("before", change.before).AddText("after", change.after).text());
  }
  JsonObject json;
  json.AddFlag("same", plans.same).AddJson("changes", JsonStrings(plans.changes));
  json.AddJson("moved", JsonStrings(plans.moved)).AddJson("nodes", JsonList(nodes));
  json.AddJson("results_reused", JsonStrings(plans.reused)).AddJson("run_again", JsonStrings(plans.run_again));
  return json.AddJson("fields", JsonList(fields)).text();
}

std::string FieldJson(const FieldReport& field) {
  JsonObject json;
  json.AddText("field", field.name).AddText("type_before", field.type_before).AddText("type_after", field.type_after);
  json.AddNumber("equal", field.equal).AddNumber("within_tolerance", field.near).AddNumber("changed", field.changed);
  if (field.numbers > 0) {
    json.AddNumber("numbers", field.numbers).AddJson("max_delta", NumberJson(field.max_delta));
    json.AddJson("p99_delta", NumberJson(field.p99_delta));
  }
  std::vector<std::string> flips, examples;
  for (const Flip& flip : field.flips) {
    JsonObject each;
    each.AddText("before", flip.before).AddText("after", flip.after).AddNumber("count", flip.count);
    flips.push_back(each.text());
  }
  for (const ValueChange& change : field.examples) {
    JsonObject each;
    each.AddText("record", change.record).AddText("before", change.before).AddText("after", change.after);
    if (change.delta) each.AddJson("delta", NumberJson(*change.delta));
    examples.push_back(each.text());
  }
  json.AddJson("flips", JsonList(flips)).AddNumber("other_flips", field.other_flips);
  return json.AddJson("examples", JsonList(examples)).text();
}

std::string OneSidedJson(const OneSidedRows& rows) {
  JsonObject why;
  for (const auto& [text, count] : rows.why) why.AddNumber(text, count);
  JsonObject json;
  json.AddNumber("rows", rows.rows).AddJson("why", why.text());
  return json.AddJson("examples", JsonStrings(rows.examples)).text();
}

std::string TargetJson(const TargetReport& target) {
  std::vector<std::string> fields, envelope;
  for (const FieldReport& field : target.fields) fields.push_back(FieldJson(field));
  for (const FieldReport& part : target.envelope) envelope.push_back(FieldJson(part));
  JsonObject json;
  json.AddText("target", target.id);
  if (!target.was.empty()) json.AddText("was", target.was);
  json.AddFlag("new", target.added).AddFlag("gone", target.removed);
  json.AddNumber("rows_before", target.rows_before).AddNumber("rows_after", target.rows_after);
  json.AddNumber("both", target.both).AddNumber("changed", target.changed);
  json.AddJson("only_before", OneSidedJson(target.only_before));
  json.AddJson("only_after", OneSidedJson(target.only_after));
  return json.AddJson("fields", JsonList(fields)).AddJson("envelope", JsonList(envelope)).text();
}

std::string LettersJson(const std::vector<LetterCount>& letters) {
  std::vector<std::string> all;
  for (const LetterCount& letter : letters) {
    JsonObject json;
    json.AddText("node", letter.node).AddText("code", letter.code);
    all.push_back(json.AddNumber("before", letter.before).AddNumber("after", letter.after).text());
  }
  return JsonList(all);
}

}  // namespace

bool DiffReport::nothing_compared() const {
  return rows && std::ranges::all_of(rows->targets, [](const TargetReport& target) {
           return target.rows_before + target.rows_after == 0;
         });
}

std::string DiffText(const DiffReport& report) {
  std::string text = "before: " + Printable(report.before) + "\nafter:  " + Printable(report.after) + "\n";
  text += PlansText(report.plans);
  if (!report.rows) return text;
  text += "results of " + Count(report.rows->records, "record") + " from " + Printable(report.records_from) + "\n";
  for (const TargetReport& target : report.rows->targets) text += TargetText(target);
  return text + LettersText(report.rows->letters) + DiffVerdict(report);
}

std::string DiffJson(const DiffReport& report) {
  JsonObject json;
  json.AddText("before", report.before).AddText("after", report.after).AddJson("plans", PlansJson(report.plans));
  if (!report.rows) return json.AddJson("results", "null").text();
  std::vector<std::string> targets;
  for (const TargetReport& target : report.rows->targets) targets.push_back(TargetJson(target));
  JsonObject results;
  results.AddText("from", report.records_from).AddNumber("records", report.rows->records);
  results.AddNumber("changed", report.rows->changed).AddJson("share", NumberJson(report.rows->share()));
  results.AddJson("max_changed", NumberJson(report.max_changed)).AddFlag("within", report.within());
  results.AddJson("targets", JsonList(targets)).AddJson("dead_letters", LettersJson(report.rows->letters));
  return json.AddJson("results", results.text()).text();
}

}  // namespace anabranch
