#include "engine/models/package_tar.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>

#include "engine/descriptor.h"
#include "engine/disk.h"
#include "engine/models/package_files.h"
#include "engine/printable.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 512;
constexpr size_t kMostEntries = 4 * kMostPackageFiles;  // with folders and extended headers
constexpr int64_t kMostManifestBytes = int64_t{16} << 20;
using Block = std::array<char, kBlock>;

// Fields of a header: where they begin and how long they are.
struct Field {
  size_t at, bytes;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUser{108, 8}, kGroup{116, 8}, kSize{124, 12}, kTime{136, 12},
    kSum{148, 8}, kType{156, 1}, kMagic{257, 8}, kPrefix{345, 155};

std::string TextOf(const Block& block, Field field) {
  const char* begin = block.data() + field.at;
  return {begin, strnlen(begin, field.bytes)};
}

// Octal digits, then a blank or zero. Negative: there are none.
int64_t OctalOf(const Block& block, Field field) {
  int64_t number = -1;
  for (const char c : TextOf(block, field)) {
    if (c == ' ' && number < 0) continue;
    if (c < '0' || c > '7') break;
    number = (number < 0 ? 0 : number) * 8 + (c - '0');
  }
  return number;
}

int64_t SumOf(Block block) {
  std::fill_n(block.begin() + kSum.at, kSum.bytes, ' ');
  int64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  return sum;
}

void PutText(Block* block, Field field, const std::string& text) {
  std::copy_n(text.begin(), std::min(text.size(), field.bytes), block->begin() + static_cast<int64_t>(field.at));
}

void PutOctal(Block* block, Field field, int64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%0*llo", static_cast<int>(field.bytes) - 1, static_cast<long long>(number));
  PutText(block, field, digits);
}

Status Broken(const std::string& what) {
  return {Code::kInvalid, "the tar " + what + "; copy it again, or make it again with `anabranch model export --tar`"};
}

// The entries of a tar, one after the other.
class TarReader {
 public:
  explicit TarReader(const std::string& tar) : tar_(tar), file_(std::fopen(tar.c_str(), "rbe")) {}
  ~TarReader() {
    if (file_ != nullptr) std::fclose(file_);
  }
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  std::string path;
  int64_t bytes = 0;
  char type = '0';

  // The header of the next entry. False at the end.
  Result<bool> Next() {
    if (file_ == nullptr) return Status(Code::kUnavailable, "\"" + tar_ + "\" cannot be read: " + std::strerror(errno));
    RETURN_IF_ERROR(Pass(left_));
    if (++entries_ > kMostEntries) {
      return Status(Code::kInvalid, "the tar has more than " + std::to_string(kMostEntries) + " entries");
    }
    Block block;
    if (!Fill(&block)) return Broken("is truncated");
    if (std::ranges::all_of(block, [](char c) { return c == 0; })) return false;
    if (TextOf(block, kMagic).substr(0, 5) != "ustar" || SumOf(block) != OctalOf(block, kSum)) {
      return Broken("has a damaged header");
    }
    const std::string prefix = TextOf(block, kPrefix);
    const bool joined = !prefix.empty() && block[kMagic.at + 5] == 0;  // not in the older form of GNU tar
    path = (joined ? prefix + "/" : "") + TextOf(block, kName);
    while (path.starts_with("./")) path.erase(0, 2);
    bytes = OctalOf(block, kSize);
    type = block[kType.at] == 0 ? '0' : block[kType.at];
    if (bytes < 0) return Broken("has a damaged header");
    left_ = bytes + (-bytes & static_cast<int64_t>(kBlock - 1));
    return true;
  }

  // The content of the entry, piece by piece.
  Status Read(const std::function<Status(std::string_view)>& take) {
    std::string piece(size_t{1} << 20, '\0');
    for (int64_t rest = bytes; rest > 0;) {
      const size_t wanted = std::min(piece.size(), static_cast<size_t>(rest));
      if (std::fread(piece.data(), 1, wanted, file_) != wanted)
        return Broken("is truncated in \"" + Printable(path) + "\"");
      RETURN_IF_ERROR(take(std::string_view(piece).substr(0, wanted)));
      rest -= static_cast<int64_t>(wanted);
      left_ -= static_cast<int64_t>(wanted);
    }
    return Status::Ok();
  }

 private:
  bool Fill(Block* block) { return std::fread(block->data(), 1, kBlock, file_) == kBlock; }
  // By reading, so that an end within is noticed.
  Status Pass(int64_t count) {
    Block block;
    for (; count > 0; count -= static_cast<int64_t>(kBlock)) {
      const size_t wanted = std::min(kBlock, static_cast<size_t>(count));
      if (std::fread(block.data(), 1, wanted, file_) != wanted)
        return Broken("is truncated in \"" + Printable(path) + "\"");
    }
    left_ = 0;
    return Status::Ok();
  }

  const std::string tar_;
  std::FILE* file_;
  int64_t left_ = 0;  // of the entry, padding included
  size_t entries_ = 0;
};

// Extended headers may be passed over unless they change what is read.
Status PassExtended(TarReader* tar) {
  std::string text;
  if (tar->bytes > kMostManifestBytes) return Broken("has a damaged header");
  RETURN_IF_ERROR(tar->Read([&](std::string_view piece) {
    text += piece;
    return Status::Ok();
  }));
  for (const char* key : {" path=", " size=", " linkpath=", " GNU.sparse"}) {
    if (text.find(key) != std::string::npos) {
      return {Code::kInvalid,
              "the tar has paths or sizes of a form that packages do not use; make it with `anabranch model "
              "export --tar` or `tar --format=ustar`"};
    }
  }
  return Status::Ok();
}

Status WriteEntry(TarReader* tar, const std::string& folder) {
  const fs::path target = fs::path(folder) / tar->path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) return DiskFailure("make the folder", target.parent_path().string(), error.value());
  // O_EXCL: one path that occurs twice would be read differently by different readers.
  const Descriptor out(open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (out.get() < 0 && errno == EEXIST) return Broken("has \"" + Printable(tar->path) + "\" twice");
  if (out.get() < 0) return DiskFailure("write", target.string(), errno);
  return tar->Read([&](std::string_view piece) {
    while (!piece.empty()) {
      const ssize_t n = write(out.get(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return DiskFailure("write", target.string(), errno, piece.size());
      piece.remove_prefix(static_cast<size_t>(n));
    }
    return Status::Ok();
  });
}

Status UnpackEntry(TarReader* tar, const std::string& folder, std::vector<PackageFault>* faults) {
  if (tar->type == 'x' || tar->type == 'g') return PassExtended(tar);
  if (tar->type == '5' && (tar->path.empty() || WrongPackagePath(tar->path + "x").empty())) return Status::Ok();
  const std::string shown = Printable(tar->path);
  if (const std::string wrong = WrongPackagePath(tar->path); !wrong.empty()) {
    faults->push_back({"path", shown, "the path \"" + shown + "\" " + wrong + "; make the tar again without it"});
  } else if (tar->type == '0') {
    return WriteEntry(tar, folder);
  } else {
    faults->push_back({"path", shown, "\"" + shown + "\" is a link or a special file; a package holds files only"});
  }
  return Status::Ok();
}

}  // namespace

void UnpackPackageTar(const std::string& tar, const std::string& folder, std::vector<PackageFault>* faults) {
  TarReader reader(tar);
  for (;;) {
    const Result<bool> more = reader.Next();
    if (more.ok() && !*more) return;
    const Status status = more.ok() ? UnpackEntry(&reader, folder, faults) : more.status();
    if (status.ok()) continue;
    faults->push_back({status.code() == Code::kInvalid ? "tar" : "unreadable", "", status.message()});
    return;
  }
}

Result<std::string> ReadFromPackageTar(const std::string& tar, const std::string& path) {
  TarReader reader(tar);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) return Status(Code::kInvalid, "\"" + tar + "\" has no " + path + " at its top");
    if (reader.path != path || reader.type != '0' || reader.bytes > kMostManifestBytes) continue;
    std::string bytes;
    RETURN_IF_ERROR(reader.Read([&](std::string_view piece) {
      bytes += piece;
      return Status::Ok();
    }));
    return bytes;
  }
}

Status WritePackageTar(const ModelPackage& package, const std::string& tar) {
  std::vector<std::string> paths = {kManifestFile};
  for (const PackageFile& file : package.manifest.files) paths.push_back(file.path);
  if (fs::exists(fs::path(package.folder) / kSignatureFile)) paths.emplace_back(kSignatureFile);
  std::ranges::sort(paths);
  std::string out;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadPackageFile(package.folder, path, int64_t{8} << 30));
    Block block{};
    // The prefix takes whole folders.
    size_t cut = path.size() <= kName.bytes ? 0 : path.find('/', path.size() - kName.bytes - 1);
    if (cut == std::string::npos || cut > kPrefix.bytes) {
      return {Code::kInvalid, "the path \"" + Printable(path) + "\" is too long for a tar; shorten its folders' names"};
    }
    if (cut > 0) PutText(&block, kPrefix, path.substr(0, cut));
    PutText(&block, kName, path.substr(cut == 0 ? 0 : cut + 1));
    PutOctal(&block, kMode, 0644);
    PutOctal(&block, kUser, 0);
    PutOctal(&block, kGroup, 0);
    PutOctal(&block, kSize, static_cast<int64_t>(bytes.size()));
    PutOctal(&block, kTime, 0);
    block[kType.at] = '0';
    PutText(&block, kMagic, std::string("ustar\00000", 8));
    PutOctal(&block, {kSum.at, kSum.bytes - 1}, SumOf(block));
    block[kSum.at + kSum.bytes - 1] = ' ';
    out.append(block.data(), kBlock);
    out += bytes;
    out.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
  }
  out.append(2 * kBlock, '\0');
  return WriteDurably(tar, out);
}

}  // namespace anabranch
