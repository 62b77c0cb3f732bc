#include "topologies/commands/serve_options.h"

namespace anabranch {

void AddPage(CLI::App* command, ServiceOptions* options) {
  const auto add = [command](const char* flag, std::string* value, const char* type, const char* what) {
    return command->add_option(flag, *value, what)->type_name(type)->group("Serve");
  };
  add("--http", &options->http, "ADDR", "the page and the API, for example 127.0.0.1:8787");
  add("--http-cert", &options->certificate_file, "FILE", "certificate of --http, PEM: needed beyond this machine");
  add("--http-key", &options->key_file, "FILE", "the key of --http-cert, PEM");
  command->add_flag("--http-behind-proxy", options->behind_proxy, "a proxy before --http does the TLS")->group("Serve");
  add("--http-tokens", &options->tokens_file, "FILE",
      "lines ROLE:NAME:TOKEN, role read or operate: needed beyond this machine");
  command->add_option("--http-hosts", options->hosts, "further names under which --http is reached; repeatable")
      ->type_name("HOST")
      ->allow_extra_args(false)
      ->group("Serve");
  add("--http-assets", &options->assets, "DIR", "files of the page instead of those in the program; for development");
}

void AddServe(CLI::App* command, ServiceOptions* options) {
  command->add_option("--metrics", options->metrics, "probes and metrics, without a token, for example 0.0.0.0:9464")
      ->type_name("ADDR")
      ->group("Serve");
  AddPage(command, options);
}

}  // namespace anabranch
