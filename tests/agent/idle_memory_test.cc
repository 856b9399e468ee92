// IdleMemory: what a burst has left behind goes back to the system, and so does code that ran once.

#include "agent/idle_memory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
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

struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::size_t resident_bytes = 0;
};

// The one with the code that this function stands in.
Mapping code() {
  const auto here = reinterpret_cast<std::uintptr_t>(&code);
  std::ifstream file("/proc/self/smaps");
  Mapping seen;
  for (std::string line; std::getline(file, line);) {
    std::istringstream head(line);
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    if (head >> std::hex >> begin >> dash >> end && dash == '-') seen = {begin, end, 0};
    if (!line.starts_with("Rss:") || here < seen.begin || here >= seen.end) continue;
    seen.resident_bytes = std::stoul(line.substr(4)) * 1024;
    return seen;
  }
  return {};
}

TEST_CASE("code that nobody uses is not resident after a quiet look") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const Mapping mapping = code();
  for (std::uintptr_t at = mapping.begin; at < mapping.end; at += page)
    static_cast<void>(*reinterpret_cast<const volatile char*>(at));
  const std::size_t before = code().resident_bytes;
  REQUIRE(before > (mapping.end - mapping.begin) / 2);
  IdleMemory memory;
  memory.look();  // may find that this test has just worked
  memory.look();
  CHECK(code().resident_bytes < before / 2);
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
