#include "topologies/commands/topics_view.h"

#include <algorithm>

#include "engine/printable.h"
#include "engine/text/json_object.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {
namespace {

using Row = std::vector<std::string>;

std::string JoinedWho(const OutsideThing& topic) {
  std::string text;
  for (const std::string& who : topic.who) text += (text.empty() ? "" : ", ") + who;
  return text;
}

// One setting per column, named by the first topic that has it.
std::vector<std::string> SettingNames(const std::vector<const OutsideThing*>& topics) {
  std::vector<std::string> names;
  for (const OutsideThing* topic : topics) {
    for (const auto& [name, value] : topic->settings) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::string SettingOf(const OutsideThing& topic, const std::string& name) {
  const auto found = std::ranges::find(topic.settings, name, &std::pair<std::string, std::string>::first);
  return found == topic.settings.end() ? "-" : found->second;
}

std::string TableText(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) line += " " + row[i] + std::string(widths[i] - row[i].size() + 1, ' ');
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

// A remark that several topics share is written once.
std::string RemarksText(const std::string& label, const std::vector<const OutsideThing*>& topics,
                        std::vector<std::string> OutsideThing::* remarks) {
  std::vector<std::pair<std::string, std::vector<std::string>>> all;  // remark, topics
  for (const OutsideThing* topic : topics) {
    for (const std::string& remark : topic->*remarks) {
      const auto known = std::ranges::find(all, remark, &decltype(all)::value_type::first);
      (known != all.end() ? known->second : all.emplace_back(remark, Row()).second).push_back(topic->name);
    }
  }
  std::string text;
  for (const auto& [remark, names] : all) {
    std::string quoted;
    for (const std::string& name : names) quoted += (quoted.empty() ? "\"" : ", \"") + name + "\"";
    text +=
        "  " + label + (names.size() == 1 ? ": topic " : ": topics ") + quoted + ": " + PrintableLines(remark) + "\n";
  }
  return text;
}

std::string PlaceText(const std::vector<const OutsideThing*>& topics) {
  const std::vector<std::string> settings = SettingNames(topics);
  std::vector<Row> rows = {{"topic", "state", "partitions", "replication"}};
  rows[0].insert(rows[0].end(), settings.begin(), settings.end());
  rows[0].emplace_back("needed by");
  for (const OutsideThing* topic : topics) {
    Row row = {topic->name, TopicState(*topic), "-", "-"};
    if (topic->exists) {
      row[2] = std::to_string(topic->partitions);
      row[3] = std::to_string(topic->replicas);
    }
    for (const std::string& name : settings) row.push_back(SettingOf(*topic, name));
    row.push_back(JoinedWho(*topic));
    for (std::string& cell : row) cell = Printable(cell);
    rows.push_back(std::move(row));
  }
  std::string text = TableText(rows);
  return text + RemarksText("problem", topics, &OutsideThing::problems) +
         RemarksText("note", topics, &OutsideThing::notes);
}

std::string TopicJson(const OutsideThing& topic) {
  JsonObject json, settings;
  for (const auto& [name, value] : topic.settings) settings.AddText(name, value);
  json.AddText("name", topic.name).AddText("state", TopicState(topic)).AddJson("needed_by", JsonStrings(topic.who));
  json.AddText("servers", topic.place).AddText("connection", topic.connection);
  json.AddJson("partitions", topic.exists ? std::to_string(topic.partitions) : "null");
  json.AddJson("replication", topic.exists ? std::to_string(topic.replicas) : "null");
  json.AddJson("settings", settings.text()).AddJson("problems", JsonStrings(topic.problems));
  return json.AddJson("notes", JsonStrings(topic.notes)).text();
}

}  // namespace

std::string TopicState(const OutsideThing& topic) {
  if (!topic.exists) return "missing";
  if (!topic.problems.empty()) return "problem";
  return topic.made ? "made" : "ok";
}

std::string TopicsText(const TopicsReport& report) {
  std::string text;
  for (size_t begin = 0; begin < report.topics.size();) {
    const OutsideThing& first = report.topics[begin];
    std::vector<const OutsideThing*> here;
    while (begin < report.topics.size() && report.topics[begin].connection == first.connection &&
           report.topics[begin].place == first.place) {
      here.push_back(&report.topics[begin++]);
    }
    text += report.name + ": " + Count(int64_t(here.size()), "topic") + " on " + Printable(first.place) +
            " (connection \"" + first.connection + "\")\n" + PlaceText(here);
  }
  return text;
}

std::string TopicsJson(const std::vector<TopicsReport>& reports) {
  bool ok = true;
  std::vector<std::string> files;
  for (const TopicsReport& report : reports) {
    ok &= report.error.empty() && std::ranges::all_of(report.topics, &OutsideThing::ok);
    std::vector<std::string> topics;
    for (const OutsideThing& topic : report.topics) topics.push_back(TopicJson(topic));
    JsonObject json;
    json.AddText("file", report.file).AddText("name", report.name);
    if (report.error.empty()) {
      json.AddJson("error", "null");
    } else {
      json.AddText("error", report.error);
    }
    files.push_back(json.AddJson("topics", JsonList(topics)).text());
  }
  return JsonObject().AddFlag("ok", ok).AddJson("files", JsonList(files)).text() + "\n";
}

std::string TopicsSummary(const TopicsReport& report, const std::string& create) {
  if (report.topics.empty()) return report.name + ": this topology needs no topics\n";
  int64_t made = 0, missing = 0, refused = 0, problems = 0;
  for (const OutsideThing& topic : report.topics) {
    made += topic.made ? 1 : 0;
    missing += topic.exists ? 0 : 1;
    refused += !topic.exists && !topic.problems.empty() ? 1 : 0;
    problems += topic.exists && !topic.problems.empty() ? 1 : 0;
  }
  const std::string all = Count(int64_t(report.topics.size()), "topic");
  std::string text = report.name + ": ";
  if (made > 0) text += Count(made, "topic") + " made, ";
  if (missing > 0) text += std::to_string(missing) + " of " + all + " missing, ";
  if (problems > 0) text += std::to_string(problems) + " of " + all + " with a problem, ";
  if (missing + problems == 0) text += all + " ready, ";
  text.replace(text.size() - 2, 2, "\n");
  if (refused > 0) {
    return text + (made == 0 ? "Nothing was made. " : "") +
           "Fix what the brokers refuse, then run the command again.\n";
  }
  return text + (missing > 0 ? "Make what is missing:\n  " + create + "\n" : "");
}

}  // namespace anabranch
