// IdleMemory: what a burst has left behind goes back to the system.

#include "agent/idle_memory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <vector>

namespace runnel {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their allocators keep it

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_CASE("what was freed under something that stays is given back at a quiet look") {
  constexpr std::size_t kBlock = 1024;
  constexpr std::size_t kCount = 32 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < kCount; ++i) {
    blocks.push_back(std::make_unique<char[]>(kBlock));
    blocks.back()[0] = 'x';
  }
  const std::unique_ptr<char[]> last = std::move(blocks.back());
  blocks.clear();
  const std::size_t before = resident_bytes();
  IdleMemory memory;
  memory.look();  // may find that this test has just worked
  memory.look();
  CHECK(resident_bytes() + kCount * kBlock / 2 < before);
}

#endif

}  // namespace
}  // namespace runnel
