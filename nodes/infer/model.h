#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/status.h"
#include "nodes/infer/onnx.h"

namespace anabranch {

// A model file as it was read, once: digest, signature and sessions are made from the same bytes. Immutable.
struct ModelFile {
  std::string path;
  std::string bytes;
  std::string sha256;  // 64 lower-case hexadecimal digits
  ModelSignature signature;
};

// Reads and understands a model file. kUnavailable: no such file, not readable, no runtime. kInvalid: no ONNX model,
// or one whose weights lie in other files.
Result<std::shared_ptr<const ModelFile>> ReadModelFile(const std::string& path);

// The signature alone, for `anabranch model inspect`. Errors as ReadModelFile.
Result<ModelSignature> ReadSignature(const std::string& path);

// Model files by path, read again when size or time of change differ, so that many nodes on one model read it once.
// A file is kept as long as somebody holds it or it is the newest of its path. Thread-safe.
class ModelCache {
 public:
  Result<std::shared_ptr<const ModelFile>> Get(const std::string& path);

 private:
  struct Entry {
    int64_t changed_ns = 0;
    int64_t size = 0;
    uint64_t inode = 0;
    std::shared_ptr<const ModelFile> file;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // guarded by mutex_
};

}  // namespace anabranch
