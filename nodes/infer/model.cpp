#include "nodes/infer/model.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "nodes/infer/onnx_file.h"

namespace anabranch {
namespace {

constexpr int64_t kMaxModelBytes = int64_t{2} << 30;  // of a protocol buffer

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status CannotRead(const std::string& path, const std::string& why) {
  return {Code::kUnavailable, "model file \"" + path + "\" cannot be read: " + why};
}

Result<std::string> ReadBytes(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (file.get() < 0 || fstat(file.get(), &info) != 0) return CannotRead(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return CannotRead(path, "it is no regular file");
  if (info.st_size > kMaxModelBytes) return CannotRead(path, "it is longer than 2 GiB");
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotRead(path, std::strerror(errno));
    if (n == 0) return CannotRead(path, "it became shorter while it was read");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Result<std::string> Sha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
    return Status(Code::kInternal, "SHA-256 is not to be had from the system's libcrypto");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

}  // namespace

Result<std::shared_ptr<const ModelFile>> ReadModelFile(const std::string& path) {
  auto file = std::make_shared<ModelFile>();
  file->path = path;
  ASSIGN_OR_RETURN(file->bytes, ReadBytes(path));
  ASSIGN_OR_RETURN(file->sha256, Sha256(file->bytes));
  const OnnxFileFacts facts = ReadOnnxFileFacts(file->bytes);
  if (!facts.external_data.empty()) {
    return Status(Code::kInvalid, "model \"" + path + "\" keeps weights in another file (\"" + facts.external_data +
                                      "\"); save it as one file");
  }
  auto session = OnnxSession::Load(file->bytes, false);
  if (!session.ok() && session.status().code() == Code::kInvalid) {
    return session.status().WithContext("\"" + path + "\" is no ONNX model that the runtime can load");
  }
  if (!session.ok()) return session.status();
  ASSIGN_OR_RETURN(file->signature, (*session)->Signature());
  for (ValueInfo& output : file->signature.outputs) {
    const auto classes = facts.classes.find(output.name);
    if (classes != facts.classes.end()) output.classes = classes->second;
  }
  return std::shared_ptr<const ModelFile>(std::move(file));
}

Result<ModelSignature> ReadSignature(const std::string& path) {
  auto file = ReadModelFile(path);
  if (!file.ok()) return file.status();
  return (*file)->signature;
}

Result<std::shared_ptr<const ModelFile>> ModelCache::Get(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return CannotRead(path, std::strerror(errno));
  const int64_t changed_ns = info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec;
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[path];
  if (entry.file && entry.changed_ns == changed_ns && entry.size == info.st_size && entry.inode == info.st_ino) {
    return entry.file;
  }
  ASSIGN_OR_RETURN(entry.file, ReadModelFile(path));
  entry.changed_ns = changed_ns;
  entry.size = info.st_size;
  entry.inode = info.st_ino;
  return entry.file;
}

}  // namespace anabranch
