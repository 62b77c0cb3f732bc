#include "topologies/commands/command_options.h"

#include <algorithm>
#include <memory>

#include "engine/fault.h"

namespace anabranch {
namespace {

// Formats --help with an example before the description.
class ExampleFirst : public CLI::Formatter {
 public:
  explicit ExampleFirst(std::string example) : example_(std::move(example)) {}
  std::string make_description(const CLI::App* app) const override {
    return "Example: " + example_ + "\n\n" + CLI::Formatter::make_description(app);
  }

 private:
  std::string example_;
};

}  // namespace

void ShowExample(CLI::App& app, const std::string& example) { app.formatter(std::make_shared<ExampleFirst>(example)); }

CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& what, const std::string& example) {
  CLI::App* command = parent.add_subcommand(name, what);
  ShowExample(*command, example);
  return command;
}

void AddFile(CLI::App* command, std::string* file) {
  command->add_option("FILE", *file, "the topology file")->required()->type_name("");
}

void AddAllowPath(CLI::App* command, std::vector<std::string>* paths) {
  command
      ->add_option("--allow-path", *paths,
                   "a folder outside the topology's own folder that its paths may use; repeatable")
      ->type_name("DIR")
      ->allow_extra_args(false);
}

void AddState(CLI::App* command, StateArgs* args) {
  AddFile(command, &args->file);
  command->add_option("--instance", args->instance, "name of this process among those that run the topology")
      ->type_name("ID")
      ->capture_default_str();
  command
      ->add_option("--state-dir", args->state_dir, "folder of the ledger; default .anabranch/NAME/INSTANCE beside FILE")
      ->type_name("DIR");
  AddAllowPath(command, &args->allow_paths);
}

void AddLog(CLI::App* command, LogArgs* log) {
  AddWord(command, "--log-format", &log->format, {"auto", "text", "json"})->envname("ANABRANCH_LOG_FORMAT");
  AddWord(command, "--log-level", &log->level, {"info", "warn", "error"});
}

void AddReveal(CLI::App* command, bool* reveal) {
  command->add_flag("--reveal", *reveal, "show values that the schema calls x-sensitive");
}

void AddWorkers(CLI::App* command, int* workers) {
  command->add_option("--workers", *workers, "compute threads; 0 = one per core")
      ->type_name("N")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

CLI::Option* AddWord(CLI::App* command, const std::string& flag, std::string* value,
                     const std::vector<std::string>& words) {
  std::string known;
  for (const std::string& word : words) known += (known.empty() ? "" : "|") + word;
  return command->add_option(flag, *value, "one of " + known)
      ->type_name("WORD")
      ->capture_default_str()
      ->check(CLI::Validator(
          [words](const std::string& word) {
            if (std::find(words.begin(), words.end(), word) != words.end()) return std::string();
            return "\"" + word + "\" is not known; " + Suggest(word, words);
          },
          ""));
}

CLI::Validator Judged(const std::function<bool(const std::string&)>& sound, const std::string& fault) {
  return {[sound, fault](const std::string& text) { return sound(text) ? "" : "\"" + text + "\" " + fault; }, ""};
}

}  // namespace anabranch
