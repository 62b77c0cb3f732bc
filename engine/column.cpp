#include "engine/column.h"

#include <algorithm>
#include <cstring>

namespace anabranch {
namespace {
constexpr size_t kFirstChunk = size_t{16} << 10;
}  // namespace

char* Arena::Allocate(size_t size) {
  size = (size + 7) & ~size_t{7};
  while (chunk_ < chunks_.size()) {
    if (used_ + size <= chunks_[chunk_].size) {
      char* p = chunks_[chunk_].data.get() + used_;
      used_ += size;
      return p;
    }
    ++chunk_;
    used_ = 0;
  }
  const size_t last = chunks_.empty() ? kFirstChunk / 2 : chunks_.back().size;
  const size_t capacity = std::max(size, last * 2);
  chunks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), capacity});
  used_ = size;
  return chunks_.back().data.get();
}

std::string_view Arena::Copy(std::string_view text) {
  if (text.empty()) return "";
  char* p = Allocate(text.size());
  std::memcpy(p, text.data(), text.size());
  return {p, text.size()};
}

void Arena::Clear() {
  // One chunk that held everything is the steady state; several mean that the last use grew.
  if (chunks_.size() > 1) {
    const size_t total = bytes_reserved();
    chunks_.clear();
    chunks_.push_back({std::make_unique_for_overwrite<char[]>(total), total});
  }
  chunk_ = 0;
  used_ = 0;
}

size_t Arena::bytes_reserved() const {
  size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

void Column::Reset(const Type& type, uint32_t rows) {
  if (!(type_ == type)) type_ = type;
  rows_ = rows;
  states_.assign(rows, kNull);
  const Kind stored = type_.IsScalar() ? type_.kind : type_.element;
  value_size_ = KindSize(stored);
  capacity_ = data_bytes_ / value_size_;
  text_.Clear();
  offsets_.clear();
  misfits_.clear();
  if (type_.kind == Kind::kList) {
    count_ = 0;
    offsets_.push_back(0);
    return;
  }
  count_ = static_cast<size_t>(rows) * static_cast<size_t>(type_.IsScalar() ? 1 : type_.Elements());
  if (count_ > capacity_) {
    data_ = std::make_unique_for_overwrite<char[]>(count_ * value_size_);
    data_bytes_ = count_ * value_size_;
    capacity_ = count_;
  }
}

std::string_view Column::misfit(uint32_t row) const {
  const auto found = std::lower_bound(misfits_.begin(), misfits_.end(), row,
                                      [](const Misfit& misfit, uint32_t wanted) { return misfit.row < wanted; });
  return found != misfits_.end() && found->row == row ? found->text : std::string_view();
}

void Column::Grow(size_t capacity) {
  auto grown = std::make_unique_for_overwrite<char[]>(capacity * value_size_);
  if (count_ != 0) std::memcpy(grown.get(), data_.get(), count_ * value_size_);
  data_ = std::move(grown);
  data_bytes_ = capacity * value_size_;
  capacity_ = capacity;
}

}  // namespace anabranch
