#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace anabranch {

// Memory for a model's numbers, always at the same offset within a cache line: with another alignment, kernels can
// produce results that differ in the last bits. It only grows, and growing loses the content.
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  void* Reserve(size_t bytes) {
    if (bytes <= size_) return data_.get();
    data_.reset(::operator new(bytes, std::align_val_t{kAlignment}));
    size_ = bytes;
    return data_.get();
  }
  void* data() const { return data_.get(); }

 private:
  struct Delete {
    void operator()(void* data) const { ::operator delete(data, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<void, Delete> data_;
  size_t size_ = 0;
};

}  // namespace anabranch
