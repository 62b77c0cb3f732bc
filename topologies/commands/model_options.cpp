#include "topologies/commands/model_options.h"

#include <utility>

namespace anabranch {
namespace {

// The topology comes first on the line, then the model.
CLI::App* ModelCommand(CLI::App& model, ModelChangeArgs* args, const std::string& name, const std::string& what,
                       const std::string& example) {
  CLI::App* command = Command(model, name, what, example);
  AddState(command, args);
  AddWord(command, "--format", &args->format, {"text", "json"});
  return command;
}

void AddGrounds(CLI::App* command, ModelChangeArgs* args) {
  command->add_option("--reason", args->reason, "why, for the history")->type_name("TEXT");
  command->add_option("--by", args->by, "who, for the history; default: the user's name")->type_name("NAME");
  command->add_option("--approved-by", args->approved_by, "who approved it, for the history")->type_name("NAME");
  command->add_option("--timeout", args->timeout_s, "how long to wait for the gates, and for each instance's answer")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

using ModelAct = std::function<void(std::function<int(CommandIo&)>)>;

void AddDeploy(CLI::App& model, ModelChangeArgs* args, const ModelAct& act) {
  CLI::App* deploy = ModelCommand(model, args, "deploy", "Has another version of a model score, on all instances.",
                                  "anabranch model deploy topology.json gbt@8 --reason 'ticket 12'");
  deploy
      ->add_option(
          "NAME@VERSION", args->model,
          "the model, and a version in its registry; a model with a `bandit` without a version: its bandit begins")
      ->required()
      ->type_name("");
  AddGrounds(deploy, args);
  deploy
      ->add_option(
          "--at", args->at,
          "what is scored by it: next, all records from the next batch of each partition on; "
          "offsets:TOPIC/PARTITION=OFFSET,…, those from these offsets on, and partitions that are not named as with "
          "next; event-time:TIME, those whose own time is TIME or later (RFC 3339 with its zone, or milliseconds since "
          "1970), and earlier ones by the version before")
      ->type_name("WHERE")
      ->capture_default_str();
  deploy->add_flag("--now", args->now, "all records at once, though the model has a `rollout`");
  deploy->add_flag("--resume", args->resume, "only go on with a deployment that was begun");
  deploy->footer(
      "Checks the package and its contract with the nodes, then asks every instance to load it. Only when all can, it\n"
      "scores: each partition switches at its next batch, and its commit says so. Otherwise nothing changes. Where "
      "the\n"
      "model has a `rollout` in the topology, it begins with the first step of that. The same command goes on with a\n"
      "deployment that was interrupted. Exit code 0 it scores, or its rollout began; 1 refused, with the reasons; 69 "
      "the\n"
      "control log is not available; 75 another deployment of the model is not finished.");
  deploy->callback([args, act] { act([args](CommandIo& io) { return CommandModelDeploy(*args, io); }); });
}

void AddSteps(CLI::App& model, ModelChangeArgs* args, const ModelAct& act) {
  CLI::App* promote = ModelCommand(model, args, "promote", "Takes the next step of a rollout, whatever its guards say.",
                                   "anabranch model promote topology.json gbt --reason 'looked at 200 rows'");
  promote->add_option("NAME", args->model, "the model")->required()->type_name("");
  promote->add_flag("--to-end", args->to_end, "the last step: the new version scores all records");
  AddGrounds(promote, args);
  promote->footer(
      "The step counts if nothing changed meanwhile: of two people, or a person and a guard, one wins. Exit code 0 it\n"
      "was taken, 1 no rollout is under way, 75 another change was faster. Other codes as of deploy.");
  promote->callback([args, act] { act([args](CommandIo& io) { return CommandModelPromote(*args, io); }); });

  CLI::App* hold = ModelCommand(model, args, "hold", "Has a rollout stay where it is until a person decides.",
                                "anabranch model hold topology.json gbt --reason 'wait for monday'");
  hold->add_option("NAME", args->model, "the model")->required()->type_name("");
  AddGrounds(hold, args);
  hold->footer("Neither a step nor a rollback happens by itself any more, until `model promote` or `model rollback`.");
  hold->callback([args, act] { act([args](CommandIo& io) { return CommandModelHold(*args, io); }); });
}

void AddRollback(CLI::App& model, ModelChangeArgs* args, const ModelAct& act) {
  CLI::App* rollback = ModelCommand(model, args, "rollback", "Has the version before score again, without gates.",
                                    "anabranch model rollback topology.json gbt --reason 'too many alarms'");
  rollback->add_option("NAME", args->model, "the model")->required()->type_name("");
  rollback->add_option("--to", args->to, "the version; default: the one that scored before")->type_name("VERSION");
  AddGrounds(rollback, args);
  rollback->footer(
      "Ends a deployment that is not finished; without --to that is all. Ends a rollout: the version that served "
      "before\n"
      "scores all records from the next batch on. A rollback is a generation of its own: what was scored stays as it\n"
      "is. Exit codes as of deploy.");
  rollback->callback([args, act] { act([args](CommandIo& io) { return CommandModelRollback(*args, io); }); });
}

void AddHistory(CLI::App& model, ModelChangeArgs* args, const ModelAct& act) {
  CLI::App* history =
      ModelCommand(model, args, "history", "Shows which version scored which records, and who changed it.",
                   "anabranch model history topology.json gbt");
  history->add_option("NAME", args->model, "the model; default: all")->type_name("");
  history->footer("Refused deployments are listed too, with their reasons.");
  history->callback([args, act] { act([args](CommandIo& io) { return CommandModelHistory(*args, io); }); });
}

}  // namespace

void AddModelChanges(CLI::App& model, ModelChangeArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act) {
  AddDeploy(model, args, act);
  AddSteps(model, args, act);
  AddRollback(model, args, act);
  AddHistory(model, args, act);
}

void AddModelCompare(CLI::App& model, ModelCompareArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act) {
  CLI::App* compare = Command(model, "compare", "Shows how two versions of a model answered the same records.",
                              "anabranch model compare topology.json gbt --by-segment");
  AddState(compare, args);
  AddWord(compare, "--format", &args->format, {"text", "json"});
  compare->add_option("NAME", args->model, "the model")->required()->type_name("");
  compare
      ->add_option("--generation", args->generation,
                   "the step of a rollout, as `model history` numbers it; default: the newest one")
      ->type_name("NUMBER")
      ->check(CLI::PositiveNumber);
  CLI::Option* one = compare
                         ->add_option_function<std::string>(
                             "--segment",
                             [args](const std::string& value) {
                               args->segment = value;
                               args->one_segment = true;
                             },
                             "only the records with this value of the rollout's `segment`")
                         ->type_name("VALUE");
  compare->add_flag("--by-segment", args->by_segment, "for each value of the rollout's `segment` too")->excludes(one);
  AddReveal(compare, &args->reveal);
  compare->footer(
      "Reads what the instances noted in the control log, at most 2 s old; none need run. The first version is the\n"
      "serving one, the second the candidate. Exit code 1: no two versions scored side by side yet.");
  compare->callback([args, act] { act([args](CommandIo& io) { return CommandModelCompare(*args, io); }); });
}

void AddModelEvaluate(CLI::App& model, ModelEvaluateArgs* args,
                      const std::function<void(std::function<int(CommandIo&)>)>& act) {
  CLI::App* evaluate = Command(model, "evaluate", "Shows what a bandit earned, and what other policies would have.",
                               "anabranch model evaluate topology.json rank --policy always:8");
  AddState(evaluate, args);
  AddWord(evaluate, "--format", &args->format, {"text", "json"});
  evaluate->add_option("NAME", args->model, "the model")->required()->type_name("");
  evaluate
      ->add_option("--policy", args->policies,
                   "always:VERSION, uniform, now, thompson, thompson_gaussian, ucb1 or epsilon_greedy; may be given "
                   "several times; default: now, uniform, and each version always")
      ->type_name("POLICY");
  evaluate->footer(
      "Reads the sums of all rewards from the control log; no instance need run. IPS weighs each reward with the\n"
      "probability that the policy had answered so; SNIPS divides by the sum of the weights; DR adds what the weights\n"
      "correct to the mean reward of each version. Each with its standard error. Few effective rewards: do not trust\n"
      "the estimate. Exit code 1: the model has no bandit, or no reward came yet.");
  evaluate->callback([args, act] { act([args](CommandIo& io) { return CommandModelEvaluate(*args, io); }); });
}

void AddModelRescore(CLI::App& model, ModelRescoreArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act) {
  CLI::App* rescore = Command(
      model, "rescore", "Scores the records of a bad version again, and writes them to another target.",
      R"(anabranch model rescore topology.json gbt --generation 3 --to '{"kafka": {"topic": "scores.revised"}}')");
  AddState(rescore, args);
  AddWord(rescore, "--format", &args->format, {"text", "json"});
  AddWorkers(rescore, &args->workers);
  AddLog(rescore, &args->log);
  rescore->add_option("NAME", args->model, "the model")->required()->type_name("");
  rescore->add_option("--generation", args->generation, "whose records, as `model history` numbers it")
      ->required()
      ->type_name("NUMBER")
      ->check(CLI::PositiveNumber);
  rescore
      ->add_option(
          "--to", args->to,
          "where the rows go: the `to` of a persist node, as JSON; NODE says whose rows, if several nodes write")
      ->required()
      ->type_name("[NODE=]{…}");
  rescore->add_flag("--accept-loss", args->accept_loss, "score what can still be read, if records are gone");
  rescore->add_flag("--dry-run", args->dry_run, "only show the positions");
  rescore->footer(
      "Reads the positions that the generation scored, as the history has them, and scores them with the version that\n"
      "serves now. The pipeline may be running: no group of it is joined, and no position of it moves. Rows have the "
      "IDs\n"
      "of before, and say which generation they revise: in the header `anabranch.revises`, or in the field `revises`.\n"
      "The same command goes on with a run that was interrupted, and each row is written once. Exit code 0 done, 1\n"
      "refused or a stage stopped, 69 the control log, a broker or a package is not available, 75 a partition has not\n"
      "switched yet, or the same command is running.");
  rescore->callback([args, act] { act([args](CommandIo& io) { return CommandModelRescore(*args, io); }); });
}

}  // namespace anabranch
