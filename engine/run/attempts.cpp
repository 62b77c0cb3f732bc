#include "engine/run/attempts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/disk.h"

namespace anabranch {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr uint64_t kMagic = 0x3130544d45545441;  // "ATTEMT01"

struct alignas(64) Header {
  uint64_t magic;
  uint64_t slots;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);

// Texts lie in whole words, ended by a zero byte where there is room.
template <size_t kWords>
void StoreText(std::atomic<uint64_t> (&words)[kWords], std::string_view text) {
  text = text.substr(0, kWords * 8);
  for (size_t i = 0; i < kWords; ++i) {
    uint64_t word = 0;
    const size_t begin = std::min(i * 8, text.size());
    std::memcpy(&word, text.data() + begin, std::min<size_t>(8, text.size() - begin));
    words[i].store(word, kRelaxed);
    if (text.size() < (i + 1) * 8) return;
  }
}

template <size_t kWords>
std::string LoadText(const std::atomic<uint64_t> (&words)[kWords]) {
  char bytes[kWords * 8];
  for (size_t i = 0; i < kWords; ++i) {
    const uint64_t word = words[i].load(kAcquire);
    std::memcpy(bytes + i * 8, &word, 8);
  }
  return {bytes, strnlen(bytes, sizeof bytes)};
}

// Closes at the end of its block.
struct File {
  int fd = -1;
  ~File() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

void AttemptSlots::Slot::Enter(std::string_view stage, const SourcePartition& partition, int64_t first,
                               int64_t since_ns, int64_t deadline_ns) {
  StoreText(stage_, stage);
  StoreText(topic_, partition.topic);
  partition_.store(partition.partition, kRelaxed);
  first_.store(first, kRelaxed);
  since_ns_.store(since_ns, kRelaxed);
  deadline_ns_.store(deadline_ns, kRelaxed);
  const uint64_t number = calls_.load(kRelaxed) + 1;
  calls_.store(number, kRelaxed);
  call_.store(number, std::memory_order_release);
}

void AttemptSlots::Slot::Leave() {
  call_.exchange(0, std::memory_order_acq_rel);  // what Enter writes next is not seen before this
}

bool AttemptSlots::Slot::Read(Call* call) const {
  const uint64_t number = call_.load(std::memory_order_acquire);
  if (number == 0) return false;
  call->stage = LoadText(stage_);
  call->partition = {LoadText(topic_), static_cast<int32_t>(partition_.load(kAcquire))};
  call->first = first_.load(kAcquire);
  call->since_ns = since_ns_.load(kAcquire);
  call->deadline_ns = deadline_ns_.load(kAcquire);
  return call_.load(kAcquire) == number;  // the loads above come before this one
}

AttemptSlots::AttemptSlots(void* memory, size_t slots, std::vector<Call> left)
    : memory_(memory),
      slots_count_(slots),
      slots_(reinterpret_cast<Slot*>(static_cast<char*>(memory) + sizeof(Header))),
      left_(std::move(left)) {}

AttemptSlots::~AttemptSlots() { munmap(memory_, sizeof(Header) + slots_count_ * sizeof(Slot)); }

Result<std::unique_ptr<AttemptSlots>> AttemptSlots::Open(const std::string& state_dir, size_t slots) {
  const std::string path = state_dir + "/attempts";
  const File file{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  struct stat info{};
  if (file.fd < 0 || fstat(file.fd, &info) != 0) return DiskFailure("open", path, errno);

  std::vector<Call> left;
  Header header{};
  if (pread(file.fd, &header, sizeof header, 0) == sizeof header && header.magic == kMagic) {
    const size_t room = (static_cast<size_t>(info.st_size) - sizeof header) / sizeof(Slot);
    for (size_t i = 0; i < std::min<size_t>(header.slots, room); ++i) {
      Slot slot{};
      const auto at = static_cast<off_t>(sizeof header + i * sizeof(Slot));
      if (pread(file.fd, static_cast<void*>(&slot), sizeof slot, at) != sizeof slot) break;
      Call call;
      if (slot.Read(&call)) left.push_back(std::move(call));
    }
  }

  // Room on the disk is taken now: a store into a page without one would end the process.
  const size_t size = sizeof header + slots * sizeof(Slot);
  if (ftruncate(file.fd, 0) != 0) return DiskFailure("empty", path, errno);
  if (const int error = posix_fallocate(file.fd, 0, static_cast<off_t>(size)); error != 0) {
    return DiskFailure("make room for", path, error, size);
  }
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
  if (memory == MAP_FAILED) return DiskFailure("map", path, errno);
  header = {kMagic, slots};
  std::memcpy(memory, &header, sizeof header);
  return std::unique_ptr<AttemptSlots>(new AttemptSlots(memory, slots, std::move(left)));
}

Result<std::unique_ptr<AttemptSlots>> AttemptSlots::OpenInMemory(size_t slots) {
  const size_t size = sizeof(Header) + slots * sizeof(Slot);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Status(Code::kStage, "no memory for the table of calls");
  return std::unique_ptr<AttemptSlots>(new AttemptSlots(memory, slots, {}));
}

AttemptSlots::Slot* AttemptSlots::Take() {
  const size_t index = taken_.fetch_add(1);
  return index < slots_count_ ? &slots_[index] : nullptr;
}

std::vector<AttemptSlots::Call> AttemptSlots::Overdue(int64_t now_ns, int64_t grace_ns) const {
  std::vector<Call> late;
  for (size_t i = 0; i < slots_count_; ++i) {
    const int64_t deadline = slots_[i].deadline_ns_.load(kRelaxed);
    Call call;
    if (deadline >= now_ns || !slots_[i].Read(&call)) continue;
    if (call.deadline_ns < now_ns && now_ns - call.deadline_ns > grace_ns) late.push_back(std::move(call));
  }
  return late;
}

void AttemptSlots::Clear() {
  for (size_t i = 0; i < slots_count_; ++i) slots_[i].call_.store(0, kRelaxed);
}

}  // namespace anabranch
