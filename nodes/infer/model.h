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

// The content of a model file. It can be let go once the model is loaded: a large model is in memory once then.
// Thread-safe.
class ModelBytes {
 public:
  explicit ModelBytes(std::string content)
      : size_(content.size()), content_(std::make_shared<std::string>(std::move(content))) {}
  size_t size() const { return size_; }  // also once it was let go
  // kInternal: it was let go.
  Result<std::shared_ptr<const std::string>> Get() const;
  bool has() const;
  void LetGo();

 private:
  const size_t size_;
  mutable Mutex mutex_;
  std::shared_ptr<const std::string> content_ GUARDED_BY(mutex_);
};

// A model file, read once: digest, signature and sessions are made from the same bytes. Immutable.
struct ModelFile {
  // A file beside the model that holds weights.
  struct Data {
    std::string location;  // as the model names it, relative to its folder
    int64_t bytes = 0;
    std::string sha256;
  };
  std::string path;
  std::shared_ptr<ModelBytes> bytes;  // of the model, with its data files inserted; refers to no other file
  int64_t file_bytes = 0;             // of the model file alone
  std::vector<Data> data;             // by location
  // 64 lower-case hexadecimal digits. For a model in one file, its SHA-256. With data files, the SHA-256 of the
  // digests of all files, each as 64 digits and a line feed: the model's first, then the others by location.
  std::string sha256;
  std::string file_sha256;  // of the model file alone
  std::string random;       // an operator that draws random numbers, as messages name it; or empty
  ModelSignature signature;
};

// Reads and parses a model file and the data files that it names, which must lie in the model's folder or below it,
// links included. Every file is read once, through one descriptor. kUnavailable: a file is missing or not readable, or
// there is no runtime. kInvalid: the file is not an ONNX model, or one that the runtime cannot load; the text says what
// to change.
Result<std::shared_ptr<const ModelFile>> ReadModelFile(const std::string& path);

// The signature alone, for `anabranch model inspect`. Errors as ReadModelFile.
Result<ModelSignature> ReadSignature(const std::string& path);

// Model files by path, so that many nodes with one model read it once. A model is read again when the size or the
// modification time of one of its files changes. A model stays as long as it is in use or is the newest of its path.
// Thread-safe.
class ModelCache {
 public:
  Result<std::shared_ptr<const ModelFile>> Get(const std::string& path);

 private:
  struct Entry {
    std::map<std::string, std::string> stamps;  // path of each file of the model → Stamp()
    std::shared_ptr<const ModelFile> file;
  };
  Mutex mutex_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
