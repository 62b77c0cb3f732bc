#include "topologies/commands/package_options.h"

#include "topologies/commands/command_options.h"

namespace anabranch {
namespace {

void AddPlace(CLI::App* command, PackageArgs* args) {
  command->add_option("PACKAGE", args->place, "a package: a folder, or a .tar")->required()->type_name("");
}

}  // namespace

void AddPackageCommands(CLI::App* model, PackageArgs* args,
                        const std::function<void(std::function<int(CommandIo&)>)>& act) {
  const auto command = [&](const char* name, const char* what, const char* example,
                           int (*run)(const PackageArgs&, CommandIo&)) {
    CLI::App* added = Command(*model, name, what, example);
    AddWord(added, "--format", &args->format, {"text", "json"});
    added->callback([act, args, run] { act([args, run](CommandIo& io) { return run(*args, io); }); });
    return added;
  };
  CLI::App* pack =
      command("pack", "Writes the sizes, the checksums and the digest of a package's files to its model.json.",
              "anabranch model pack models/gbt-8", CommandModelPack);
  pack->add_option("FOLDER", args->place, "a folder with model.json, model.onnx and what else belongs to the model")
      ->required()
      ->type_name("");

  CLI::App* check = command("check", "Verifies a package and puts its model through its gates.",
                            "anabranch model check models/gbt-8 --for topology.json", CommandModelCheck);
  AddPlace(check, args);
  check->add_option("--for", args->for_file, "a topology: its nodes must be able to score with the package")
      ->type_name("FILE");
  AddAllowPath(check, &args->allow_paths);
  check->add_option("--key", args->key, "a public key (PEM): model.sig must be a signature of it")->type_name("FILE");
  check->add_flag("--approved", args->approved, "demand \"approval.approved_by\" in model.json");
  check->add_option("--timeout", args->timeout_s, "seconds after which the gates are ended")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400))
      ->type_name("S");
  check->add_flag("--in-process", args->in_process, "run the gates in this process")->group("");
  check->footer(
      "The gates run in a process of their own, so that a model that crashes or never returns is a fault and no more. "
      "All faults are reported at once.\n\nExit code 0 sound, 1 refused, 69 a file cannot be read, 78 the topology is "
      "faulty.");

  CLI::App* import =
      command("import", "Makes a package of a model that another program saved.",
              "anabranch model import mlflow:mlruns/0/…/artifacts/model --out models/gbt-8", CommandModelImport);
  import->add_option("FROM", args->place, "mlflow:FOLDER, a folder that mlflow.onnx saved")->required()->type_name("");
  import->add_option("--out", args->out, "the folder of the package; it must not exist")
      ->required()
      ->type_name("FOLDER");
  import->add_option("--name", args->name, "name of the model; default: as the folder of --out")->type_name("");
  import->add_option("--version", args->version, "version of the model; default: 1")->type_name("");

  CLI::App* write = command("export", "Writes a package as one file.",
                            "anabranch model export models/gbt-8 --tar gbt-8.tar", CommandModelExport);
  AddPlace(write, args);
  write->add_option("--tar", args->tar, "write a tar; the same files make the same bytes")->type_name("FILE");
  write->add_option("--kitfile", args->kitfile, "write a Kitfile that describes the package (KitOps, ModelPack)")
      ->type_name("FILE");
}

}  // namespace anabranch
