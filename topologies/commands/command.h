#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "engine/registry.h"
#include "topologies/language/check.h"
#include "topologies/operate/service_options.h"
#include "topologies/trial/tolerance.h"

namespace anabranch {

// The streams of a command: data goes to `out`, messages go to `err`. Outlives the command.
struct CommandIo {
  const Registry& registry;
  std::ostream& out;
  std::ostream& err;
  bool out_colour = false;  // stdout is a terminal and NO_COLOR is not set
  bool err_colour = false;
  bool err_terminal = false;   // stderr is a terminal: lines may be repainted
  std::istream* in = nullptr;  // a terminal for questions; null: none
  // Call before _exit(): a thread may still be writing `err`. Takes a bounded time.
  std::function<void()> drain_err = [] {};
  bool out_terminal = false;  // as err_terminal
};

// Exit codes without a Status code (for the others, see ExitCode in engine/status.h).
inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitFaulty = 78;
inline constexpr int kExitInterrupted = 130;

struct CheckArgs {
  std::vector<std::string> files;
  std::string format = "text";  // text | json | github
  std::vector<std::string> allow_paths;
};
// How a run reports on standard error.
struct LogArgs {
  std::string format = "auto";  // auto | text | json; auto: on a terminal a repainted table, else text
  std::string level = "info";   // info | warn | error: lower levels are omitted
};
// Which topology, and which state of it.
struct StateArgs {
  std::string file;
  std::vector<std::string> allow_paths;
  std::string state_dir;  // empty: .anabranch/NAME/INSTANCE beside the file
  std::string instance = "0";
  LogArgs log;
};
struct TestArgs {
  std::vector<std::string> paths;  // files and folders
  std::vector<std::string> allow_paths;
  std::string only;             // a glob of names; empty: all cases
  std::string format = "text";  // text | json | github
  std::string junit;            // file to write; empty: none
  bool coverage = false;
  bool once = false;
  bool record = false;
  bool yes = false;  // with record
};
struct RunArgs : StateArgs {
  int workers = 0;  // 0: one per core
  bool once = false;
  bool fresh = false;
  bool new_identity = false;
  bool new_ledger = false;
  bool restart_failed = false;
  int most_restart_pause_s = 60;
  std::string max_dead_letters;  // "N" or "N%"; empty: fewer than all
  std::string on_stop = "exit";  // exit | stay
  ServiceOptions serve;
};
struct RestartArgs : StateArgs {
  int workers = 0;
  bool once = false;
  bool dry_run = false;
  bool yes = false;
  std::string token;  // --plan
  std::string from;
  std::string on_missing = "fail";  // fail | recompute
  std::vector<std::string> accept_stale;
  bool drop_unclaimed = false;
  bool new_identity = false;
  bool accept_loss = false;
  std::string format = "text";  // of --dry-run: text | json
  ServiceOptions serve;
};
struct StatusArgs : StateArgs {
  std::string format = "text";  // text | json
  bool reveal = false;
};
struct DlqArgs : StateArgs {
  std::string id;               // show: which letter; replay: which ones only
  std::string node, code;       // replay: which ones only
  std::string format = "text";  // ls, show: text | json
  bool records = false;         // ls
  bool reveal = false;          // show
  bool dry_run = false;         // replay
  bool yes = false;             // replay, skip
};
struct TraceArgs : StateArgs {
  std::string id;               // the record; may be empty with `result`
  std::string result;           // topic/partition/offset of a result to compare with; empty: none
  bool dead_letter = false;     // the copy in its dead letter, even if its source has it
  std::string format = "text";  // text | json
};
inline constexpr int64_t kMostDiffRecords = 1'000'000;
struct DiffArgs {
  std::string before, after;  // files; without `after`: `before` with `sets`
  std::vector<std::string> sets;
  std::string on;               // tests | SOURCE | FILE | SOURCE=FILE; empty: the tests of the file, if it has any
  int64_t last = 0;             // 0: all records of a file, 10,000 of a source
  std::string envelope;         // of a file: record | plain; empty: as the source says
  std::string tolerance;        // "REL" or "REL,ABS"; empty: the default
  std::string max_changed;      // share of records; empty: 0
  std::string format = "text";  // text | json
  std::vector<std::string> allow_paths;
};
struct TapArgs : StateArgs {
  std::vector<std::string> nodes;
  std::string at = "outputs";  // inputs | outputs
  std::string where;
  int64_t limit = 20;
  double rate = 0;  // rows per second; 0: all
  bool follow = false;
  std::vector<std::string> columns;
  bool reveal = false;
  std::string format = "pretty";  // pretty | json | kcat
  std::string save;               // a *.tests.json to write; empty: none
};
struct TopArgs : StateArgs {
  double interval_s = 1;
  bool once = false;
};
struct UiArgs {
  std::vector<std::string> folders;  // empty: below the working folder
  ServiceOptions serve;
  std::vector<std::string> allow_paths;
};
struct GraphArgs {
  std::string file;
  std::string format = "ascii";  // ascii | dot | mermaid | json
  std::vector<std::string> allow_paths;
};
struct ExplainArgs {
  std::string topic;  // fault code, node kind, connector, metric, "functions" or a topology file
  std::vector<std::string> allow_paths;
};
struct SchemaArgs {};
struct InitArgs {
  std::string name = "start";  // of the template
  std::string path;            // folder or .json file; empty: topology.json here
  bool list = false;
};
struct ModelArgs {
  std::string file;
  std::string format = "text";  // text | json
};
struct PackageArgs {
  std::string place;            // of the package, or where it is imported from
  std::string format = "text";  // text | json
  std::string for_file, key;    // check; empty: none
  std::vector<std::string> allow_paths;
  bool approved = false;           // check
  bool in_process = false;         // check
  int timeout_s = 120;             // check
  std::string out, name, version;  // import
  std::string tar, kitfile;        // export: one of them
};
// Which version of a managed model scores.
struct ModelChangeArgs : StateArgs {
  std::string model;        // deploy: NAME@VERSION; else NAME; history: may be empty
  std::string to;           // rollback: the version; empty: the one before
  std::string at = "next";  // deploy: where it begins to score, as the help says
  std::string reason, by, approved_by;
  bool now = false;             // deploy: all records at once, without the rollout
  bool resume = false;          // deploy: only go on with what was begun
  bool to_end = false;          // promote
  int timeout_s = 120;          // for the gates, and for the answers of the instances
  std::string format = "text";  // text | json
};
// How two versions of a model answered the same records.
struct ModelCompareArgs : StateArgs {
  std::string model;
  uint32_t generation = 0;  // 0: the newest one with two versions
  std::string segment;      // with one_segment: only this value
  bool one_segment = false;
  bool by_segment = false;
  bool reveal = false;
  std::string format = "text";  // text | json
};
// What other policies would have earned, by the rewards of a bandit.
struct ModelEvaluateArgs : StateArgs {
  std::string model;
  std::vector<std::string> policies;  // empty: those that need no choice
  std::string format = "text";        // text | json
};
// What a generation scored, scored again by the version that serves.
struct ModelRescoreArgs : StateArgs {
  std::string model;
  uint32_t generation = 0;
  std::string to;  // "{…}" or "NODE={…}"
  int workers = 0;
  bool accept_loss = false;
  bool dry_run = false;
  std::string format = "text";  // text | json
};
struct DoctorArgs {
  std::string file;     // topology whose brokers are checked; may be empty
  std::string brokers;  // host:port list; may be empty
  std::vector<std::string> allow_paths;
};
struct TopicsArgs {
  std::vector<std::string> files;
  std::vector<std::string> allow_paths;
  bool create = false;
  std::vector<std::string> partitions;  // "N" or "TOPIC=N"
  int replication = 0;                  // 0: the default of the brokers
  std::string format = "text";          // text | json
};
struct MetricsArgs {
  std::string file;        // a topology; may be empty
  bool catalogue = false;  // at most one of the three; none: the catalogue
  bool grafana = false;
  bool alerts = false;
  std::string format = "text";  // of the catalogue: text | json
  std::vector<std::string> allow_paths;
};
struct DocsArgs {
  std::string folder;
};

// --max-dead-letters: "25" or "2.5%".
struct DeadLetterLimit {
  double number = 0;
  bool percent = false;
};
std::optional<DeadLetterLimit> ParseDeadLetterLimit(const std::string& text);

// --partitions: "N", where `topic` is empty, or "TOPIC=N".
struct TopicPartitions {
  std::string topic;
  int partitions = 0;
};
std::optional<TopicPartitions> ParseTopicPartitions(const std::string& text);

// --tolerance: "1e-3" or "1e-3,1e-6" (relative, absolute). --max-changed: "0.01" or "1%".
std::optional<Tolerance> ParseTolerance(const std::string& text);
std::optional<double> ParseShare(const std::string& text);

// One function per command, each in the file of its name (`dlq` in dlq*.cpp). They return the exit code and never throw
// for anything that a user can cause.
int CommandCheck(const CheckArgs& args, CommandIo& io);
int CommandRun(const RunArgs& args, CommandIo& io);
int CommandTest(const TestArgs& args, CommandIo& io);
int CommandRestart(const RestartArgs& args, CommandIo& io);
int CommandStatus(const StatusArgs& args, CommandIo& io);
int CommandDlqLs(const DlqArgs& args, CommandIo& io);
int CommandDlqShow(const DlqArgs& args, CommandIo& io);
int CommandDlqReplay(const DlqArgs& args, CommandIo& io);
int CommandDlqSkip(const DlqArgs& args, CommandIo& io);
int CommandTrace(const TraceArgs& args, CommandIo& io);
int CommandDiff(const DiffArgs& args, CommandIo& io);
int CommandTap(const TapArgs& args, CommandIo& io);
int CommandTop(const TopArgs& args, CommandIo& io);
int CommandUi(const UiArgs& args, CommandIo& io);
int CommandGraph(const GraphArgs& args, CommandIo& io);
int CommandExplain(const ExplainArgs& args, CommandIo& io);
int CommandSchema(const SchemaArgs& args, CommandIo& io);
int CommandInit(const InitArgs& args, CommandIo& io);
int CommandModelInspect(const ModelArgs& args, CommandIo& io);
int CommandModelPack(const PackageArgs& args, CommandIo& io);
int CommandModelCheck(const PackageArgs& args, CommandIo& io);
int CommandModelImport(const PackageArgs& args, CommandIo& io);
int CommandModelExport(const PackageArgs& args, CommandIo& io);
int CommandModelDeploy(const ModelChangeArgs& args, CommandIo& io);
int CommandModelRollback(const ModelChangeArgs& args, CommandIo& io);
int CommandModelPromote(const ModelChangeArgs& args, CommandIo& io);
int CommandModelHold(const ModelChangeArgs& args, CommandIo& io);
int CommandModelHistory(const ModelChangeArgs& args, CommandIo& io);
int CommandModelCompare(const ModelCompareArgs& args, CommandIo& io);
int CommandModelEvaluate(const ModelEvaluateArgs& args, CommandIo& io);
int CommandModelRescore(const ModelRescoreArgs& args, CommandIo& io);
int CommandDoctor(const DoctorArgs& args, CommandIo& io);
int CommandTopics(const TopicsArgs& args, CommandIo& io);
int CommandMetrics(const MetricsArgs& args, CommandIo& io);
int CommandDocs(const DocsArgs& args, CommandIo& io);  // hidden: writes docs/reference/

// The checks at the start of every command that works on a plan. Faults are written to io.err, and the
// result has no plan if there is an error (exit 78).
CheckedTopology CheckForCommand(const std::string& file, const std::vector<std::string>& allow_paths, CommandIo& io,
                                const std::vector<TopologyEdit>& edits = {});

// Faults of one file as text blocks, with excerpts if the text is available: that of `tree`, or, where it is null, of
// the file.
void RenderFaults(const std::vector<Fault>& faults, const Topology* tree, const std::string& file, bool colour,
                  std::ostream& out);

// "2 errors, 1 warning".
std::string CountFaults(const std::vector<Fault>& faults);

}  // namespace anabranch
