#pragma once

#include <map>
#include <memory>
#include <string>

#include "connectors/file/output_file.h"
#include "engine/committer.h"
#include "engine/lane_context.h"
#include "engine/mutex.h"
#include "engine/target.h"

namespace anabranch {

// Where a file lies.
struct FilePlace {
  std::string path;        // absolute; empty: the default of dead letters, in the state folder
  std::string in_project;  // as seen from the topology's folder: its name in the ledger, so that a project can be moved
};

// A file as a target: one line per row.
//   envelope ""       {"id": "<topic>/<partition>/<offset>/<node>", "key": …, "value": {fields}}
//                     (no key: null; a key that is no UTF-8: "key_base64")
//   envelope "plain"  {fields}
//   envelope "raw"    the record's payload as it is
// As CSV: a header row, then the fields, after the columns "id" and "key" unless the envelope is "plain".
// Dead letters are whole records (record_envelope.h), by default in STATE_DIR/dead_letters.jsonl.
// "-" as the path is standard output, which cannot be cut back: at least once.
struct FileTargetOptions {
  FilePlace place;
  bool csv = false;
  char delimiter = ',';  // of CSV
};
std::shared_ptr<const TargetProgram> MakeFileTarget(FileTargetOptions options, const TargetFields& fields);
std::shared_ptr<const TargetProgram> MakeDeadLetterFile(FilePlace place);

// Reads back what a target of MakeDeadLetterFile wrote; its partition is "file:dead_letters". kInvalid: no such target.
Result<std::shared_ptr<const SourceProgram>> MakeDeadLetterFileSource(const TargetProgram& target,
                                                                      const std::string& state_dir);

// The files that lanes of this process write, by path. Thread-safe.
class OpenFiles {
 public:
  Result<std::shared_ptr<OutputFile>> Get(const std::string& path, const std::string& unit, const LaneContext& lane,
                                          mode_t mode);

 private:
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<OutputFile>> files_;
};

// `files` outlives the committer.
Result<std::unique_ptr<Committer>> MakeFileCommitter(
    const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets, OpenFiles* files);

}  // namespace anabranch
