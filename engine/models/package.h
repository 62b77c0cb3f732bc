#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// A model package: a folder, or the same files as a tar (ustar; sorted names, zero times: the same files make the same
// bytes). model.json is written last and lists every other file but model.sig, which signs it, with its size and
// SHA-256; a file that it does not list is refused.
//
//   model.json  model.onnx (+ data files)  features.json  tests/always.jsonl  tests/confidence.jsonl  reference.json
//   card.md  model.sig
struct PackageFile {
  std::string path;  // relative, '/' between parts
  int64_t bytes = 0;
  std::string sha256;
};

struct PackageFault {
  std::string code;     // a stable word per reason: "digest", "missing_file", "unlisted_file", …
  std::string file;     // inside the package; may have ":LINE"
  std::string message;  // names place, value and cure
};

// What model.json says. Unknown members are faults; "x-…" are allowed.
struct PackageManifest {
  struct Input {
    std::string name, type;  // a column that features.json reads, with its type as the language writes it
  };
  struct Output {
    std::string name;  // as the model names it
    std::string type;
    std::vector<std::string> classes;  // in the order of the vector
    std::string use;                   // for people
  };
  struct ConfidenceGate {
    std::string metric;    // "accuracy", "auc", "f1", "precision", "recall", "log_loss", "brier", "rmse", "mae"
    std::string label;     // field of a row of the set that holds the truth
    std::string positive;  // class that counts as positive, where the metric needs one
    std::string output;    // of the model, as a node's "outputs" write it; empty: the decision, or the first that fits
    std::optional<double> min, max;
  };
  std::string name, version;
  std::string digest;              // of the file list and of all below but `approval`: 64 hexadecimal digits
  std::vector<PackageFile> files;  // by path, without model.json and model.sig
  std::string produced, data;      // JSON objects, as they stand; "{}" when absent
  std::vector<Input> inputs;
  std::vector<std::string> features;  // ordered names
  std::vector<Output> outputs;
  std::string decision;  // expression over the outputs, or empty
  std::optional<double> always_tolerance;
  std::optional<ConfidenceGate> confidence;
  std::map<std::string, std::string> approval;  // built_by, built_at, approved_by, approved_at, grounds, …
  std::optional<double> latency_us_per_row;
  std::optional<int64_t> memory_bytes;
};

// features.json: `set` makes private columns from the record's columns, `order` says what feeds the model. Without the
// file: the manifest's features.
struct PackageFeatures {
  std::vector<std::pair<std::string, std::string>> set;  // name → expression, in the file's order
  // Names of `set`, or of columns: the input of a model that has one, in this order. Of a model with several inputs:
  // each is fed by the one of its name.
  std::vector<std::string> order;
};

// reference.json: how the outputs were distributed over the rows that the model was judged with. Its bins are those in
// which answers are compared.
struct PackageReference {
  struct Output {
    std::string selection;        // as the "outputs" of a node write it: "probabilities['fraud']"
    std::vector<double> edges;    // the inner edges of the bins, ascending
    std::vector<int64_t> counts;  // by bin: one more than edges; or empty
  };
  std::vector<Output> outputs;  // in the file's order
};

struct ModelPackage {
  std::string place;   // as the user named it
  std::string folder;  // where its files are: the package's own folder, or where its tar was unpacked
  PackageManifest manifest;
  PackageFeatures features;
  PackageReference reference;  // without the file: empty
};

// Reads and verifies a package: structure, paths (no "..", no links), sizes, checksums, the digest. Every fault at
// once. Null when there is one. `scratch`: an existing empty folder that a tar is unpacked to; it must outlive the use.
std::shared_ptr<const ModelPackage> ReadPackage(const std::string& place, const std::string& scratch,
                                                std::vector<PackageFault>* faults);

// Why features that are neither inputs nor made of them cannot be computed: one text, since they have one cause.
std::string UndeclaredText(const std::vector<std::string>& features, const std::vector<std::string>& known);

// Computes sizes, checksums and the digest of the files in `folder` and writes them to its model.json, whose other
// members stay as they stand. kInvalid names what is wrong.
Status PackFolder(const std::string& folder);
// Writes a verified package as a tar whose bytes depend on its files only.
Status WritePackageTar(const ModelPackage& package, const std::string& tar);

// The packages of a registry folder: its sub-folders with a model.json and its .tar files. By manifest alone; nothing
// is verified. Those that cannot be read are omitted, with a reason in `skipped`.
struct RegistryEntry {
  std::string place, name, version, digest;
};
Result<std::vector<RegistryEntry>> ListRegistry(const std::string& folder, std::vector<std::string>* skipped);
// The package of one version of the model `name`. kInvalid: there is none, or two that differ; the text names those
// that are there. kUnavailable: as ListRegistry.
Result<RegistryEntry> FindInRegistry(const std::string& folder, const std::string& name, const std::string& version);

}  // namespace anabranch
