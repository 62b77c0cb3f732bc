// operator new that throws where memory cannot be had. mimalloc's own ends the process instead; with these, what a
// stage cannot get stops that stage. delete stays mimalloc's: what malloc gives is its too.
#ifdef ANABRANCH_MIMALLOC
#include <cstdlib>
#include <new>

void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

void* operator new[](std::size_t size) { return operator new(size); }

void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto bytes = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(bytes, (size + bytes - 1) / bytes * bytes)) return memory;
  throw std::bad_alloc();
}

void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
#endif
