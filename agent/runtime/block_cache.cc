// The blocks that each thread keeps.

#include "agent/runtime/block_cache.h"

#include <array>
#include <cstdlib>
#include <new>

#include "agent/base/assert.h"

namespace runnel {
namespace {

constexpr std::size_t kStep = 32;  // sizes are rounded up to it
constexpr std::size_t kSizes = 32;
#if defined(__has_feature)  // clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNNEL_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++
#define RUNNEL_SANITIZED
#endif
#ifdef RUNNEL_SANITIZED
constexpr std::size_t kKeptMax = 0;  // so that whoever uses a block that is gone is seen
#else
constexpr std::size_t kKeptMax = 256 << 10;  // bytes, of one thread
#endif

struct Free {
  Free* next;
};

// Trivial, so that it is there until the very end of its thread; `Keeper` empties it.
struct Kept {
  std::array<Free*, kSizes> of;
  std::size_t bytes;
  bool is_closed;
};
constinit thread_local Kept blocks{};

struct Keeper {
  ~Keeper() {
    blocks.is_closed = true;
    for (Free*& first : blocks.of) {
      while (first != nullptr) {
        Free* const gone = first;
        first = gone->next;
        std::free(gone);
      }
    }
    blocks.bytes = 0;
  }
};

std::size_t class_of(std::size_t size) { return (size - 1) / kStep; }

}  // namespace

void* take_block(std::size_t size) {
  const std::size_t which = class_of(size);
  if (which >= kSizes) {
    void* const large = std::malloc(size);
    RUNNEL_ASSERT(large != nullptr);
    return large;
  }
  if (Free* const found = blocks.of[which]) {
    blocks.of[which] = found->next;
    blocks.bytes -= (which + 1) * kStep;
    return found;
  }
  void* const fresh = std::malloc((which + 1) * kStep);
  RUNNEL_ASSERT(fresh != nullptr);
  return fresh;
}

void give_block(void* block, std::size_t size) {
  const std::size_t which = class_of(size);
  if (which >= kSizes || blocks.is_closed || blocks.bytes >= kKeptMax) {
    std::free(block);
    return;
  }
  if (blocks.bytes == 0) {
    thread_local const Keeper keeper;
    static_cast<void>(&keeper);
  }
  blocks.of[which] = new (block) Free{blocks.of[which]};
  blocks.bytes += (which + 1) * kStep;
}

}  // namespace runnel
