#include "nodes/infer/model.h"

#include <sys/stat.h>

#include <algorithm>

#include "engine/models/sha256.h"
#include "nodes/infer/advice.h"
#include "nodes/infer/onnx_file.h"
#include "nodes/infer/read_file.h"

namespace anabranch {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Size, modification time and inode; empty if the file does not exist.
std::string Stamp(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return {};
  return std::to_string(info.st_size) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec) + " " + std::to_string(info.st_ino);
}

// Inserts the contents of the data files, and adds their digests to the model's.
Status TakeDataFiles(const OnnxFileFacts& facts, std::string* bytes, ModelFile* file) {
  std::map<std::string, std::string> contents;
  std::string digests = file->sha256 + "\n";
  for (const ExternalTensor& tensor : facts.external) contents[tensor.location];
  for (auto& [location, content] : contents) {
    // The runtime would take this location for an address in memory, not for a file.
    if (location.starts_with("*/")) {
      return {Code::kInvalid, "the data file \"" + location + "\" is not a file"};
    }
    ASSIGN_OR_RETURN(content, ReadWholeFileBelow(FolderOf(file->path), location));
    ASSIGN_OR_RETURN(const std::string digest, Sha256(content));
    digests += digest + "\n";
    file->data.push_back({location, static_cast<int64_t>(content.size()), digest});
  }
  ASSIGN_OR_RETURN(*bytes, WithExternalData(*bytes, contents));
  ASSIGN_OR_RETURN(file->sha256, Sha256(digests));
  return Status::Ok();
}

Status Refused(const std::string& path, const std::string& why, const std::string& cure) {
  return {Code::kInvalid, "\"" + path + "\" " + why + (cure.empty() ? "" : "; " + cure)};
}

}  // namespace

Result<std::shared_ptr<const std::string>> ModelBytes::Get() const {
  const MutexLock lock(mutex_);
  if (content_ != nullptr) return content_;
  return Status(Code::kInternal, "the content of the model file was let go, as it was loaded already");
}

bool ModelBytes::has() const {
  const MutexLock lock(mutex_);
  return content_ != nullptr;
}

void ModelBytes::LetGo() {
  const MutexLock lock(mutex_);
  content_ = nullptr;
}

Result<std::shared_ptr<const ModelFile>> ReadModelFile(const std::string& path) {
  auto file = std::make_shared<ModelFile>();
  file->path = path;
  ASSIGN_OR_RETURN(std::string bytes, ReadWholeFile(path));
  ASSIGN_OR_RETURN(file->sha256, Sha256(bytes));
  file->file_sha256 = file->sha256;
  file->file_bytes = static_cast<int64_t>(bytes.size());
  const ForeignFile foreign = RecogniseForeignFile(bytes);
  if (!foreign.what.empty()) return Refused(path, "is " + foreign.what + ", not an ONNX model", foreign.cure);
  auto facts = ReadOnnxFileFacts(bytes);
  if (!facts.ok()) return Refused(path, "is not an ONNX model: " + facts.status().message(), "");
  file->random = facts->random;
  if (!facts->external.empty()) {
    RETURN_IF_ERROR(TakeDataFiles(*facts, &bytes, file.get()).WithContext("model \"" + path + "\""));
  }
  auto session = OnnxSession::Load(bytes, false);
  if (!session.ok() && session.status().code() == Code::kInvalid) {
    const std::string why = WithoutSourcePlace(session.status().message());
    return Refused(path, "is not an ONNX model that the runtime can load: " + why, AdviceOnLoad(why));
  }
  if (!session.ok()) return session.status();
  ASSIGN_OR_RETURN(file->signature, (*session)->Signature());
  for (ValueInfo& output : file->signature.outputs) {
    const auto classes = facts->classes.find(output.name);
    if (classes != facts->classes.end()) output.classes = classes->second;
  }
  file->bytes = std::make_shared<ModelBytes>(std::move(bytes));
  return std::shared_ptr<const ModelFile>(std::move(file));
}

Result<ModelSignature> ReadSignature(const std::string& path) {
  auto file = ReadModelFile(path);
  if (!file.ok()) return file.status();
  return (*file)->signature;
}

Result<std::shared_ptr<const ModelFile>> ModelCache::Get(const std::string& path) {
  const MutexLock lock(mutex_);
  Entry& entry = entries_[path];
  const auto same = [](const auto& stamp) { return !stamp.second.empty() && Stamp(stamp.first) == stamp.second; };
  if (entry.file && std::ranges::all_of(entry.stamps, same)) return entry.file;
  const std::string stamp = Stamp(path);
  ASSIGN_OR_RETURN(entry.file, ReadModelFile(path));
  entry.stamps = {{path, stamp}};
  for (const ModelFile::Data& data : entry.file->data) {
    const std::string beside = FolderOf(path) + "/" + data.location;
    entry.stamps[beside] = Stamp(beside);
  }
  return entry.file;
}

}  // namespace anabranch
