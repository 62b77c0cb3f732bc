#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "engine/status.h"
#include "nodes/infer/onnx.h"

namespace anabranch {

// A model as it was read, once: digest, signature and sessions are made from the same bytes. Immutable.
struct ModelFile {
  // A file beside the model that holds weights.
  struct Data {
    std::string location;  // as the model names it, relative to its folder
    int64_t bytes = 0;
  };
  std::string path;
  std::string bytes;       // of the model, its data files put in place: refers to no other file
  int64_t file_bytes = 0;  // of the model file alone
  std::vector<Data> data;  // by location
  // 64 lower-case hexadecimal digits. Of a model in one file: its SHA-256. With data files: the SHA-256 of the digests
  // of all its files, each as 64 digits and a line feed, the model's first, then by location.
  std::string sha256;
  std::string random;  // an operator that draws random numbers, as messages name it; empty when there is none
  ModelSignature signature;
};

// Reads and understands a model file, and the data files that it names: these must lie in the model's folder (or below
// it, links included). Every file is read once, through one descriptor. kUnavailable: a file is not there or not
// readable, or there is no runtime. kInvalid: no ONNX model, or one that the runtime cannot load; the text says what to
// change.
Result<std::shared_ptr<const ModelFile>> ReadModelFile(const std::string& path);

// The signature alone, for `anabranch model inspect`. Errors as ReadModelFile.
Result<ModelSignature> ReadSignature(const std::string& path);

// Model files by path, read again when size or time of change of one of its files differ, so that many nodes on one
// model read it once. A file is kept as long as somebody holds it or it is the newest of its path. Thread-safe.
class ModelCache {
 public:
  Result<std::shared_ptr<const ModelFile>> Get(const std::string& path);

 private:
  struct Entry {
    std::map<std::string, std::string> stamps;  // path of each file of the model → what tells that it was changed
    std::shared_ptr<const ModelFile> file;
  };
  Mutex mutex_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
