#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/source.h"

namespace anabranch {

// One file as a source: JSON Lines or CSV, one lane, one partition "file:SOURCE_ID"/0 whose positions are the byte
// offsets of rows. Ends at the end of the file. Rows that are longer than 64 MiB or whose envelope cannot be read
// come with a RecordBatch::source_errors entry.
//
// A last line without a line end is a record if it is whole. One that was cut short (a JSON text with an open string or
// bracket, a CSV row with an open quote or too few cells) is still being written: it is left for the next run, with a
// warning.
struct FileSourceOptions {
  std::string source_id;
  std::string path;        // absolute
  std::string in_project;  // as seen from the topology's folder
  bool csv = false;
  RowLayout dialect;             // its header is the file's
  bool record_envelope = false;  // record_envelope.h
  // Reads back what a target wrote, up to the committed length (-1: nothing is known of it, the file's end) as it is
  // when the source is assigned. A file that is not there is empty. Null: no such file.
  std::function<Result<int64_t>()> committed_length = nullptr;
};

// "-" as the path is standard input: lines that can be read once only. Positions count on from where the last run
// ended.

// Reads the header row of CSV. kInvalid when the file cannot be read or its header is none. A JSON Lines file that is
// not there yet is fine: opening the lane tells (kUnavailable).
Result<std::shared_ptr<const SourceProgram>> MakeFileSource(FileSourceOptions options);

}  // namespace anabranch
