// What idle_memory.h promises.

#include "agent/idle_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

namespace runnel {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr microseconds kQuiet = 500ms;   // of CPU between two looks, at most
constexpr microseconds kWorked = 100ms;  // of CPU since memory was last given back, at least

microseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto time = [](const timeval& part) {
    return std::chrono::seconds(part.tv_sec) + microseconds(part.tv_usec);
  };
  return time(usage.ru_utime) + time(usage.ru_stime);
}

// Unmaps the pages of segments that cannot be written; what is needed again comes back from the
// page cache, or from the file.
int forget_pages(dl_phdr_info* library, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& segment = library->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = library->dlpi_addr + segment.p_vaddr;
    const std::uintptr_t first = begin / page * page;
    const std::uintptr_t end = (begin + segment.p_memsz) / page * page;
    if (end > first) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void IdleMemory::look() {
  const microseconds now = cpu_time();
  const bool is_quiet = now - seen_ < kQuiet;
  seen_ = now;
  if (!is_quiet || (has_given_ && now - given_ < kWorked)) return;
  ::malloc_trim(0);
  ::dl_iterate_phdr(forget_pages, nullptr);
  given_ = cpu_time();
  has_given_ = true;
}

}  // namespace runnel
