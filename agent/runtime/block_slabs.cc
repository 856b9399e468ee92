// The slabs, by the size of their blocks, and the empty ones.

#include "agent/runtime/block_slabs.h"

#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <new>

#include "agent/base/assert.h"
#include "agent/base/mutex.h"

namespace runnel {
namespace {

constexpr std::size_t kRegion = 4 << 20;  // of addresses, from the system at once
constexpr std::size_t kPage = 4 << 10;
constexpr std::size_t kSlabSizes = kBlockMax / kBlockStep;

// At the begin of its 64 KiB, so that it is found by a block's address. The page in which it stands
// stays in memory when the rest is given back.
struct alignas(64) Slab {
  Slab* next = nullptr;      // on the list that it stands on
  Slab* previous = nullptr;  // of the same
  FreeBlock* free = nullptr;
  std::uint32_t which = 0;  // the size of its blocks
  std::uint32_t used = 0;   // blocks that are taken
  std::uint32_t fresh = 0;  // from here on nothing was ever taken
  bool is_listed = false;   // has a block to give
};
static_assert(sizeof(Slab) == 64);
static_assert(kSlabBytes % kPage == 0 && kRegion % kSlabBytes == 0);

struct SlabList {
  Slab* first = nullptr;

  void add(Slab& slab) {
    slab.previous = nullptr;
    slab.next = first;
    if (first != nullptr) first->previous = &slab;
    first = &slab;
  }
  void remove(Slab& slab) {
    (slab.previous == nullptr ? first : slab.previous->next) = slab.next;
    if (slab.next != nullptr) slab.next->previous = slab.previous;
  }
  Slab& pop() {
    Slab& slab = *first;
    remove(slab);
    return slab;
  }
};

// The empty ones. A lock of its own, inside those of the sizes.
class EmptySlabs {
 public:
  Slab& take(std::uint32_t which) {
    Lock lock(mutex_);
    ++used_;
    if (kept_ > 0) {
      --kept_;
      return made_new(&empty_.pop(), which);
    }
    if (bare_.first != nullptr) return made_new(&bare_.pop(), which);
    if (region_ == region_end_) map_region();
    char* const at = region_;
    region_ += kSlabBytes;
    return made_new(at, which);
  }
  void give(Slab& slab) {
    Lock lock(mutex_);
    --used_;
    if (kept_ == kSlabsKept) return bare(slab);
    ++kept_;
    empty_.add(slab);
  }
  void trim() {
    Lock lock(mutex_);
    for (; kept_ > 0; --kept_) bare(empty_.pop());
  }
  SlabFigures figures() {
    Lock lock(mutex_);
    return {used_, kept_};
  }

 private:
  static Slab& made_new(void* at, std::uint32_t which) {
    auto* const slab = new (at) Slab;
    slab->which = which;
    slab->fresh = sizeof(Slab);
    return *slab;
  }
  void bare(Slab& slab) REQUIRES(mutex_) {
    // If the system refuses, the pages stay: nothing is lost but memory.
    static_cast<void>(
        ::madvise(reinterpret_cast<char*>(&slab) + kPage, kSlabBytes - kPage, MADV_DONTNEED));
    bare_.add(slab);
  }
  void map_region() REQUIRES(mutex_) {
    const std::size_t size = kRegion + kSlabBytes;
    void* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    RUNNEL_ASSERT(mapped != MAP_FAILED);
    // A huge page would be in memory for one slab of it.
    static_cast<void>(::madvise(mapped, size, MADV_NOHUGEPAGE));
    const auto address = reinterpret_cast<std::uintptr_t>(mapped);
    region_ = static_cast<char*>(mapped) + (kSlabBytes - address % kSlabBytes) % kSlabBytes;
    region_end_ = region_ + kRegion;
  }

  Mutex mutex_;
  SlabList empty_ GUARDED_BY(mutex_);
  SlabList bare_ GUARDED_BY(mutex_);  // all but their first pages are given back
  std::size_t kept_ GUARDED_BY(mutex_) = 0;
  std::uint64_t used_ GUARDED_BY(mutex_) = 0;
  char* region_ GUARDED_BY(mutex_) = nullptr;  // what is left of the newest
  char* region_end_ GUARDED_BY(mutex_) = nullptr;
};

// Never destroyed: blocks are given back until the very end of the last thread.
constinit EmptySlabs store;

class SizedSlabs {
 public:
  FreeBlock* take(std::uint32_t which, std::size_t count) {
    const std::uint32_t bytes = (which + 1) * static_cast<std::uint32_t>(kBlockStep);
    FreeBlock* chain = nullptr;
    Lock lock(mutex_);
    while (count-- > 0) {
      if (listed_.first == nullptr) list(store.take(which));
      Slab& slab = *listed_.first;
      void* block = slab.free;
      if (block != nullptr) {
        slab.free = slab.free->next;
      } else {
        block = reinterpret_cast<char*>(&slab) + slab.fresh;
        slab.fresh += bytes;
      }
      ++slab.used;
      if (slab.free == nullptr && slab.fresh + bytes > kSlabBytes) {
        listed_.remove(slab);
        slab.is_listed = false;
      }
      chain = new (block) FreeBlock{chain};
    }
    return chain;
  }
  void give(FreeBlock* chain) {
    SlabList empty;
    {
      Lock lock(mutex_);
      while (chain != nullptr) {
        FreeBlock* const block = chain;
        chain = chain->next;
        Slab& slab = slab_of(block);
        block->next = slab.free;
        slab.free = block;
        if (!slab.is_listed) list(slab);
        if (--slab.used > 0) continue;
        listed_.remove(slab);
        empty.add(slab);
      }
    }
    while (empty.first != nullptr) store.give(empty.pop());
  }
  static Slab& slab_of(void* block) {
    return *reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(kSlabBytes - 1));
  }

 private:
  void list(Slab& slab) REQUIRES(mutex_) {
    listed_.add(slab);
    slab.is_listed = true;
  }

  Mutex mutex_;
  SlabList listed_ GUARDED_BY(mutex_);
};

constinit std::array<SizedSlabs, kSlabSizes> sizes{};

}  // namespace

FreeBlock* take_from_slabs(std::size_t size, std::size_t count) {
  const std::size_t which = size / kBlockStep - 1;
  RUNNEL_ASSERT(which < kSlabSizes && size % kBlockStep == 0);
  return sizes[which].take(static_cast<std::uint32_t>(which), count);
}

void give_to_slabs(FreeBlock* chain) {
  if (chain != nullptr) sizes[SizedSlabs::slab_of(chain).which].give(chain);
}

void trim_slabs() { store.trim(); }

SlabFigures slab_figures() { return store.figures(); }

}  // namespace runnel
