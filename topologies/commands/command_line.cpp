#include "topologies/commands/command_line.h"

#include <algorithm>
#include <functional>
#include <ostream>

#include "engine/fault.h"
#include "engine/printable.h"
#include "topologies/commands/command_options.h"
#include "topologies/commands/model_options.h"
#include "topologies/commands/package_options.h"
#include "topologies/commands/serve_options.h"
#include "topologies/commands/watch_options.h"
#include "topologies/language/edit.h"

namespace anabranch {
namespace {

struct AllArgs {
  CheckArgs check;
  TestArgs test;
  RunArgs run;
  RestartArgs restart;
  StatusArgs status;
  DlqArgs dlq;
  TapArgs tap;
  TopArgs top;
  UiArgs ui;
  TraceArgs trace;
  DiffArgs diff;
  GraphArgs graph;
  ExplainArgs explain;
  SchemaArgs schema;
  InitArgs init;
  ModelArgs model;
  PackageArgs package;
  ModelChangeArgs model_change;
  ModelCompareArgs model_compare;
  ModelEvaluateArgs model_evaluate;
  ModelRescoreArgs model_rescore;
  DoctorArgs doctor;
  TopicsArgs topics;
  MetricsArgs metrics;
  DocsArgs docs;
  std::vector<std::string> help;
};

using Action = std::function<int(CommandIo&)>;

std::string HelpOf(const CLI::App* app);
std::vector<std::string> SubcommandNames(const CLI::App* app);

// The whole command line: the parser, the values it sets, and the action of each command.
class CommandLine {
 public:
  CommandLine() : app_("Checks and runs topologies: models scored on streams of records.", "anabranch") {
    ShowExample(app_, "anabranch check topology.json");
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "anabranch " + ProgramVersion());
    app_.footer("anabranch COMMAND --help describes a command.");
    AddCheck();
    AddTest();
    AddRun();
    AddRestart();
    AddStatus();
    AddDlq();
    AddTap(app_, &args_.tap)->callback([this] {
      action_ = [this](CommandIo& io) { return CommandTap(args_.tap, io); };
    });
    AddTop(app_, &args_.top)->callback([this] {
      action_ = [this](CommandIo& io) { return CommandTop(args_.top, io); };
    });
    AddUi(app_, &args_.ui)->callback([this] { action_ = [this](CommandIo& io) { return CommandUi(args_.ui, io); }; });
    AddTrace();
    AddDiff();
    AddGraph();
    AddExplain();
    AddSchema();
    AddInit();
    AddModel();
    AddDoctor();
    AddTopics();
    AddMetrics(app_, &args_.metrics)->callback([this] {
      action_ = [this](CommandIo& io) { return CommandMetrics(args_.metrics, io); };
    });
    AddHelp();
    AddDocs();
    // Set after the commands, because commands inherit the footer.
    app_.footer(
        "anabranch COMMAND --help describes a command.\n"
        "Exit codes: 0 done; 1 a run, restart or test failed; 2 wrong usage; 69 a broker, model or disk is not\n"
        "available; 70 a bug in this program, please report it; 75 try again; 78 the topology is faulty; 130 "
        "stopped\n"
        "at once.");
  }

  CLI::App& app() { return app_; }
  const Action& action() const { return action_; }

 private:
  void AddCheck() {
    CheckArgs& args = args_.check;
    CLI::App* command = Command(app_, "check", "Checks topology files and reports every fault at once; runs nothing.",
                                "anabranch check topology.json");
    command->add_option("FILE", args.files, "topology files")->required()->type_name("");
    AddWord(command, "--format", &args.format, {"text", "json", "github"});
    AddAllowPath(command, &args.allow_paths);
    command->footer("Exit code 0 if no file has an error (warnings are allowed), 78 otherwise.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandCheck(args_.check, io); }; });
  }

  void AddTest() {
    TestArgs& args = args_.test;
    CLI::App* command =
        Command(app_, "test", "Runs the test cases of topologies in memory: no broker, no file is written.",
                "anabranch test topology.json");
    command->add_option("PATH", args.paths, "topology files, *.tests.json files, folders")->required()->type_name("");
    command->add_option("--only", args.only, "run the cases whose name has this in it, or is like this glob")
        ->type_name("GLOB");
    AddWord(command, "--format", &args.format, {"text", "json", "github"});
    command->add_option("--junit", args.junit, "write the outcome to this file in the JUnit format")->type_name("FILE");
    command->add_flag("--coverage", args.coverage, "say what no case reaches: nodes, conditions, rules");
    command->add_flag("--once-only", args.once,
                      "run each case in one batch only; default: small cases also run row by row, and must give the "
                      "same bytes");
    CLI::Option* record = command->add_flag(
        "--record", args.record, "write what came out into the cases that failed or expect nothing, after a question");
    command->add_flag("--yes", args.yes, "with --record: do not ask")->needs(record);
    AddAllowPath(command, &args.allow_paths);
    command->footer("Exit code 0 if every case passed, 1 if one failed, 78 if a file is faulty.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandTest(args_.test, io); }; });
  }

  void AddRun() {
    RunArgs& args = args_.run;
    CLI::App* command = Command(app_, "run", "Checks a topology, then runs it until its input ends or it is stopped.",
                                "anabranch run topology.json --once");
    AddState(command, &args);
    AddLog(command, &args.log);
    command->add_flag("--once", args.once, "stop at the end of the input that exists now");
    AddWorkers(command, &args.workers);
    AddServe(command, &args.serve);
    command->add_flag("--restart-failed", args.restart_failed,
                      "when a stage has failed, restart from it as `restart --yes` would; for supervisors");
    command
        ->add_option("--max-restart-pause", args.most_restart_pause_s,
                     "with --restart-failed: the longest pause before a restart without a change; the pause "
                     "doubles with each such restart")
        ->type_name("SECONDS")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str();
    command
        ->add_option("--max-dead-letters", args.max_dead_letters,
                     "at the end of the input, exit with 1 if more records than this became dead letters; default: "
                     "if every record did")
        ->type_name("N|N%")
        ->check(Judged([](const std::string& text) { return ParseDeadLetterLimit(text).has_value(); },
                       "is neither a number nor a percentage"));
    AddWord(command, "--on-stop", &args.on_stop, {"exit", "stay"});
    CLI::Option* fresh = command->add_flag("--fresh", args.fresh, "move the state aside and start over");
    command
        ->add_flag("--new-identity", args.new_identity,
                   "with --fresh: new consumer group, transactional ids and progress keys")
        ->needs(fresh);
    command
        ->add_flag(
            "--new-ledger", args.new_ledger,
            "move a state folder with a damaged or missing ledger aside, and resume where the source's group and the "
            "tables say")
        ->excludes(fresh);
    command->footer(
        "The first SIGINT or SIGTERM drains: records that were read are finished and committed. The second stops at "
        "once;\n"
        "neither loses anything. When a stage stops, --on-stop exit ends with code 1; stay waits for a restart.\n"
        "Exit code 0 done, 1 a stage stopped or too many records became dead letters, 69 a broker, model or disk is\n"
        "unavailable, 70 a bug in this program, please report it, 75 try again, 78 the topology is faulty or the "
        "first\n"
        "version of a model fails its gates, 130 stopped by the second signal.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandRun(args_.run, io); }; });
  }

  void AddRestart() {
    RestartArgs& args = args_.restart;
    CLI::App* command =
        Command(app_, "restart", "Restarts a pipeline from the failed stage, reusing the results that were kept.",
                "anabranch restart topology.json --dry-run");
    AddState(command, &args);
    AddLog(command, &args.log);
    command->add_flag("--dry-run", args.dry_run, "show the plan and do nothing");
    AddWord(command, "--format", &args.format, {"text", "json"});
    CLI::Option* yes = command->add_flag("--yes", args.yes, "do not ask");
    command->add_option("--plan", args.token, "restart only if the plan still has this token")
        ->type_name("TOKEN")
        ->excludes(yes);
    command->add_option("--from", args.from, "run again from this stage above the failed one")->type_name("NODE");
    AddWord(command, "--on-missing", &args.on_missing, {"fail", "recompute"});
    command
        ->add_option("--accept-stale", args.accept_stale,
                     "reuse the kept results of this node although it was edited; repeatable")
        ->type_name("NODE")
        ->allow_extra_args(false);
    command->add_flag("--drop-unclaimed", args.drop_unclaimed, "drop kept records that no node reads any more");
    command->add_flag("--new-identity", args.new_identity, "restart although a target, topic or group changed");
    command->add_flag("--accept-loss", args.accept_loss,
                      "if a position is lost (topic deleted, records deleted or unreadable), resume at the first\n"
                      "readable record, in all targets");
    command->add_flag("--once", args.once, "stop at the end of the input that exists now");
    AddWorkers(command, &args.workers);
    AddServe(command, &args.serve);
    command->footer(
        "Shows its plan and asks; without a terminal it needs --yes or --plan. You can kill it at any time and run it\n"
        "again. Exit code 0 done (also if nothing had failed), 1 refused or a stage stopped again, 2 not confirmed,\n"
        "75 another process uses this state.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandRestart(args_.restart, io); }; });
  }

  void AddStatus() {
    StatusArgs& args = args_.status;
    CLI::App* command = Command(app_, "status", "Shows the state of a pipeline: running, failed, done or stopped.",
                                "anabranch status topology.json");
    AddState(command, &args);
    AddWord(command, "--format", &args.format, {"text", "json"});
    AddReveal(command, &args.reveal);
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandStatus(args_.status, io); }; });
  }

  void AddDlq() {
    CLI::App* dlq = Command(app_, "dlq", "Works on dead letters.", "anabranch dlq ls topology.json");
    dlq->require_subcommand(1);
    AddDlqLook(*dlq);
    AddDlqReplay(*dlq);
    AddDlqSkip(*dlq);
  }

  void AddDlqLook(CLI::App& dlq) {
    DlqArgs& args = args_.dlq;
    CLI::App* ls = Command(dlq, "ls", "Counts the waiting dead letters by stage and code, with their age.",
                           "anabranch dlq ls topology.json --records");
    AddState(ls, &args);
    ls->add_flag("--records", args.records, "list them one by one, with their IDs; as JSON: one object per line");
    AddWord(ls, "--format", &args.format, {"text", "json"});
    ls->callback([this] { action_ = [this](CommandIo& io) { return CommandDlqLs(args_.dlq, io); }; });
    CLI::App* show = Command(dlq, "show", "Shows one dead letter: the reason, its record, and the results it had.",
                             "anabranch dlq show topology.json payments/0/17");
    AddState(show, &args);
    show->add_option("ID", args.id, "the record: topic/partition/offset")->required()->type_name("");
    AddWord(show, "--format", &args.format, {"text", "json"});
    AddReveal(show, &args.reveal);
    show->callback([this] { action_ = [this](CommandIo& io) { return CommandDlqShow(args_.dlq, io); }; });
  }

  void AddDlqReplay(CLI::App& dlq) {
    DlqArgs& args = args_.dlq;
    CLI::App* command = Command(dlq, "replay", "Runs dead letters again, each from the stage in which it failed.",
                                "anabranch dlq replay topology.json --node score --dry-run");
    AddState(command, &args);
    AddLog(command, &args.log);
    command->add_option("--node", args.node, "only those that failed in this stage")->type_name("NODE");
    command->add_option("--code", args.code, "only those that failed with this code")->type_name("CODE");
    command->add_option("--id", args.id, "only those of this record: topic/partition/offset")->type_name("ID");
    command->add_flag("--dry-run", args.dry_run, "show what would be replayed and do nothing");
    command->add_flag("--yes", args.yes, "do not ask");
    command->footer(
        "Results stored in a letter are reused; others are computed again from its record. Records keep their "
        "identity,\n"
        "so a replay never writes an output twice. A record that fails again becomes a dead letter again. Exit code 0\n"
        "done, also if there was nothing to replay.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandDlqReplay(args_.dlq, io); }; });
  }

  void AddDlqSkip(CLI::App& dlq) {
    DlqArgs& args = args_.dlq;
    CLI::App* command =
        Command(dlq, "skip", "Skips the records that wait for a failed stage: they become dead letters.",
                "anabranch dlq skip topology.json");
    AddState(command, &args);
    command->add_flag("--yes", args.yes, "do not ask");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandDlqSkip(args_.dlq, io); }; });
  }

  void AddTrace() {
    TraceArgs& args = args_.trace;
    CLI::App* command =
        Command(app_, "trace", "Runs one record again, in memory, and shows what every node made of it.",
                "anabranch trace topology.json payments/0/82");
    AddState(command, &args);
    command
        ->add_option("ID", args.id,
                     "the record: TOPIC/PARTITION/OFFSET, the anabranch.id of a result, or SOURCE#N for the Nth\n"
                     "record of a file; not needed with --result")
        ->type_name("");
    command
        ->add_option("--result", args.result,
                     "a result or dead letter in its topic: finds its record, and compares it with the new result")
        ->type_name("TOPIC/PARTITION/OFFSET");
    command->add_flag("--dead-letter", args.dead_letter,
                      "use the copy in the record's dead letter, even if its source still has it");
    AddWord(command, "--format", &args.format, {"text", "json"});
    command->footer(
        "Writes nothing, joins no consumer group and moves no position; the pipeline may be running. Exit code 0 if "
        "the\n"
        "record was run, whatever became of it, 1 if there is no such record.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandTrace(args_.trace, io); }; });
  }

  void AddDiff() {
    DiffArgs& args = args_.diff;
    CLI::App* command = Command(app_, "diff",
                                "Compares two versions of a topology: their plans, and their results for the same "
                                "records. Writes nothing.",
                                "anabranch diff topology.json --set models.gbt.path=new.onnx --on payments");
    command->add_option("A", args.before, "the topology as it is")->required()->type_name("");
    command->add_option("B", args.after, "the other version; default: A with --set")->type_name("");
    command
        ->add_option("--set", args.sets,
                     "a value of B: keys with dots between them, or a JSON pointer; then JSON or text; repeatable")
        ->type_name("PATH=VALUE")
        ->allow_extra_args(false)
        ->check(Judged([](const std::string& text) { return ParseEdit(text).has_value(); }, "is not PATH=VALUE"));
    command
        ->add_option("--on", args.on,
                     "the records: tests, a source (its newest records), or a file in the form of the source")
        ->type_name("tests|SOURCE|FILE|SOURCE=FILE");
    command
        ->add_option("--last", args.last, "how many of the newest records; default: 10000 of a source, all of a file")
        ->type_name("N")
        ->check(CLI::Range(int64_t{1}, kMostDiffRecords));
    AddWord(command, "--envelope", &args.envelope, {"record", "plain"});
    command
        ->add_option("--tolerance", args.tolerance,
                     "how far two floats may differ and still be equal, relative and absolute; default: 1e-5,1e-8")
        ->type_name("REL[,ABS]")
        ->check(Judged([](const std::string& text) { return ParseTolerance(text).has_value(); },
                       "is not one or two numbers of at least 0"));
    command
        ->add_option("--max-changed", args.max_changed,
                     "the share of records whose results may change, such as 0.01 or 1%; default: 0")
        ->type_name("SHARE")
        ->check(Judged([](const std::string& text) { return ParseShare(text).has_value(); },
                       "is not a share from 0 to 1, or a percentage"));
    AddWord(command, "--format", &args.format, {"text", "json"});
    AddAllowPath(command, &args.allow_paths);
    command->footer(
        "Without --on the tests of A are compared; if it has none, only the plans are. Reading a topic joins no\n"
        "consumer group and moves no offset. With --envelope record each line of FILE is a whole record, with key,\n"
        "value, headers and timestamp. A field or a target that only B has does not count as a change.\n"
        "Exit code 0 if no more records changed than --max-changed allows, 1 if more did, if there was no record or "
        "if\n"
        "a stage stopped, 69 a broker, model or file is unavailable, 78 a topology is faulty.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandDiff(args_.diff, io); }; });
  }

  void AddGraph() {
    GraphArgs& args = args_.graph;
    CLI::App* command =
        Command(app_, "graph", "Draws the graph of a topology.", "anabranch graph topology.json --format mermaid");
    AddFile(command, &args.file);
    AddWord(command, "--format", &args.format, {"ascii", "dot", "mermaid", "json"});
    AddAllowPath(command, &args.allow_paths);
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandGraph(args_.graph, io); }; });
  }

  void AddExplain() {
    ExplainArgs& args = args_.explain;
    CLI::App* command = Command(app_, "explain",
                                "Explains a fault code, a node kind, a connector, a metric, the expression "
                                "functions, or the plan of a topology file.",
                                "anabranch explain AB203");
    command
        ->add_option("TOPIC", args.topic,
                     "a fault code, node kind, connector, metric, \"functions\", or a topology file")
        ->required()
        ->type_name("");
    AddAllowPath(command, &args.allow_paths);
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandExplain(args_.explain, io); }; });
  }

  void AddSchema() {
    CLI::App* command = Command(app_, "schema", "Prints the JSON Schema (draft-07) of topology files, for editors.",
                                "anabranch schema > topology.schema.json");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandSchema(args_.schema, io); }; });
  }

  void AddInit() {
    InitArgs& args = args_.init;
    CLI::App* command = Command(app_, "init", "Writes a new topology to start from; overwrites nothing.",
                                "anabranch init --template score my-scoring");
    command->add_option("--template", args.name, "the template")->type_name("NAME")->capture_default_str();
    command->add_flag("--list", args.list, "list the templates and write nothing");
    command->add_option("PATH", args.path, "a folder, or a file that ends in .json; default topology.json here")
        ->type_name("");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandInit(args_.init, io); }; });
  }

  void AddModel() {
    ModelArgs& args = args_.model;
    CLI::App* model =
        Command(app_, "model", "Works on model files and packages.", "anabranch model inspect models/gbt.onnx");
    model->require_subcommand(1);
    CLI::App* command =
        Command(*model, "inspect", "Shows inputs, outputs, types, shapes and metadata of a model or a package.",
                "anabranch model inspect models/gbt.onnx");
    command->add_option("FILE", args.file, "the model file (ONNX), or a package: a folder or a .tar")
        ->required()
        ->type_name("");
    AddWord(command, "--format", &args.format, {"text", "json"});
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandModelInspect(args_.model, io); }; });
    const auto act = [this](Action action) { action_ = std::move(action); };
    AddModelChanges(*model, &args_.model_change, act);
    AddModelCompare(*model, &args_.model_compare, act);
    AddModelEvaluate(*model, &args_.model_evaluate, act);
    AddModelRescore(*model, &args_.model_rescore, act);
    AddPackageCommands(model, &args_.package, [this](Action action) { action_ = std::move(action); });
  }

  void AddDoctor() {
    DoctorArgs& args = args_.doctor;
    CLI::App* command = Command(app_, "doctor",
                                "Shows versions and paths of the libraries in use, and whether brokers "
                                "answer.",
                                "anabranch doctor topology.json");
    command->add_option("FILE", args.file, "a topology whose brokers are checked")->type_name("");
    command->add_option("--brokers", args.brokers, "brokers to check instead")->type_name("HOST:PORT,...");
    AddAllowPath(command, &args.allow_paths);
    command->footer("Waits at most 5 seconds for each broker. Exit code 69 if one does not respond.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandDoctor(args_.doctor, io); }; });
  }

  void AddTopics() {
    TopicsArgs& args = args_.topics;
    CLI::App* command = Command(
        app_, "topics", "Lists the topics that a topology needs, checks them, and makes those that are missing.",
        "anabranch topics topology.json --create");
    command->add_option("FILE", args.files, "topology files")->required()->type_name("");
    command->add_flag("--create", args.create, "make the topics that are missing; change none that exists");
    command
        ->add_option("--partitions", args.partitions,
                     "partitions of a new source or result topic, or of the topic that is named; repeatable. An\n"
                     "existing topic with another number is a problem")
        ->type_name("N|TOPIC=N")
        ->allow_extra_args(false)
        ->check(Judged([](const std::string& text) { return ParseTopicPartitions(text).has_value(); },
                       "is neither a number of partitions from 1 to 100000 nor TOPIC=N"));
    command->add_option("--replication", args.replication, "replicas of a new topic; default: that of the brokers")
        ->type_name("N")
        ->check(CLI::Range(1, 10'000));
    AddWord(command, "--format", &args.format, {"text", "json"});
    AddAllowPath(command, &args.allow_paths);
    command->footer(
        "Without --partitions a new source topic gets as many as the brokers' default says, a result topic as many as\n"
        "the largest source topic of its topology, and a dead-letter topic 1. Exit code 0 if every topic is there and\n"
        "right, 1 if one is missing, has a problem or could not be made, 69 if a broker is not available, 78 if a\n"
        "topology is faulty.");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandTopics(args_.topics, io); }; });
  }

  void AddHelp() {
    CLI::App* help = Command(app_, "help", "Shows the help of all commands, or of one.", "anabranch help dlq replay");
    help->add_option("COMMAND", args_.help, "the command to show")->type_name("");
    help->callback([this] { action_ = [this](CommandIo& io) { return Help(io); }; });
    CLI::App* version = Command(app_, "version", "Shows the version.", "anabranch version");
    version->callback([this] {
      action_ = [](CommandIo& io) {
        io.out << "anabranch " << ProgramVersion() << "\n";
        return static_cast<int>(kExitOk);
      };
    });
  }

  int Help(CommandIo& io) const {
    CommandLine line;  // CLI11 shows the help of the parsed command; this one has none
    const CLI::App* app = &line.app_;
    for (const std::string& name : args_.help) {
      const std::vector<std::string> known = SubcommandNames(app);
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        io.err << "anabranch: unknown command \"" << Printable(name) << "\"; " << Suggest(name, known) << "\n";
        return kExitUsage;
      }
      app = app->get_subcommand(name);
    }
    io.out << HelpOf(app);
    return kExitOk;
  }

  void AddDocs() {
    CLI::App* command = Command(app_, "docs", "Writes the reference pages.", "anabranch docs docs/reference");
    command->group("");  // hidden: for the maintainers of this program
    command->add_option("DIR", args_.docs.folder, "the folder to write to")->required()->type_name("");
    command->callback([this] { action_ = [this](CommandIo& io) { return CommandDocs(args_.docs, io); }; });
  }

  AllArgs args_;
  Action action_;
  CLI::App app_;
};

bool Hidden(const CLI::App* app) { return app->get_group().empty(); }

std::vector<std::string> SubcommandNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app->get_subcommands([](const CLI::App* sub) { return !Hidden(sub); })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> FlagNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The innermost command on the line.
const CLI::App* NamedCommand(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
  return app;
}

std::string FullName(const CLI::App* app) {
  return app->get_parent() == nullptr ? app->get_name() : FullName(app->get_parent()) + " " + app->get_name();
}

std::string HelpOf(const CLI::App* app) {
  return app->help(app->get_parent() == nullptr ? "" : FullName(app->get_parent()));
}

std::string UsageMessage(const CLI::ParseError& error, const CLI::App& app) {
  const CLI::App* command = NamedCommand(&app);
  std::vector<std::string> rest = app.remaining(true);
  if (rest.empty()) return error.what();
  std::string word = rest.front().substr(0, rest.front().find('='));
  if (word.starts_with("-")) return "unknown flag " + word + "; " + Suggest(word, FlagNames(command));
  std::vector<std::string> commands = SubcommandNames(command);
  if (commands.empty()) return "unexpected argument \"" + word + "\"";
  return "unknown command \"" + word + "\"; " + Suggest(word, commands);
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments, CommandIo& io) {
  CommandLine line;
  try {
    line.app().parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return line.action()(io);
  } catch (const CLI::CallForHelp&) {
    io.out << HelpOf(NamedCommand(&line.app()));
    return kExitOk;
  } catch (const CLI::CallForVersion& version) {
    io.out << version.what() << "\n";
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    if (arguments.empty()) {
      io.err << line.app().help();
    } else {
      io.err << "anabranch: " << UsageMessage(error, line.app()) << "\n"
             << "Try: " << FullName(NamedCommand(&line.app())) << " --help\n";
    }
    return kExitUsage;
  } catch (const std::exception& error) {
    io.err << "anabranch: internal error: " << error.what() << "\n";
    return ExitCode(Code::kInternal);
  }
}

std::vector<std::pair<std::string, std::string>> CommandHelp() {
  CommandLine line;
  std::vector<std::pair<std::string, std::string>> help;
  std::function<void(const CLI::App*)> visit = [&](const CLI::App* app) {
    std::vector<const CLI::App*> below = app->get_subcommands([](const CLI::App* sub) { return !Hidden(sub); });
    if (below.empty()) help.emplace_back(FullName(app), HelpOf(app));
    for (const CLI::App* sub : below) visit(sub);
  };
  visit(&line.app());
  return help;
}

std::string ProgramVersion() { return ANABRANCH_VERSION; }

}  // namespace anabranch
