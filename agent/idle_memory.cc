// What idle_memory.h promises.

#include "agent/idle_memory.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "agent/base/text_file.h"
#include "agent/runtime/block_slabs.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr microseconds kQuiet = 500ms;  // of CPU between two looks, at most
constexpr long kFaults = 32;            // that came since memory was last given back, at least

struct Usage {
  microseconds cpu;
  long faults;  // how often pages came into the process' memory, without the disk
};

Usage usage() {
  rusage seen{};
  ::getrusage(RUSAGE_SELF, &seen);
  const auto time = [](const timeval& part) {
    return std::chrono::seconds(part.tv_sec) + microseconds(part.tv_usec);
  };
  return {time(seen.ru_utime) + time(seen.ru_stime), seen.ru_minflt};
}

// Whether the loader has written into code: then it cannot be read again from its file.
bool has_relocated_code(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

// The pages of a program or library that nobody writes: code and constants. They stay in the
// kernel's page cache; what is used again is mapped again, without the disk.
int let_go_of_code(dl_phdr_info* object, std::size_t /*size*/, void* /*unused*/) {
  if (has_relocated_code(*object)) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = (object->dlpi_addr + part.p_vaddr + part.p_memsz) & ~(page - 1);
    // What the kernel does not let go (pages that are locked in memory) stays.
    if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

// A debugger's breakpoints are written into the code.
bool is_traced() {
  const auto status = read_text_file("/proc/self/status", 1 << 16);
  return !status.ok() || status->find("TracerPid:\t0\n") == std::string::npos;
}

}  // namespace

void IdleMemory::look() {
  const Usage now = usage();
  const bool is_quiet = now.cpu - seen_ < kQuiet;
  seen_ = now.cpu;
  if (!is_quiet || now.faults - faults_ < kFaults) return;
  ::malloc_trim(0);
  trim_slabs();
  if (!is_traced()) ::dl_iterate_phdr(let_go_of_code, nullptr);
  faults_ = usage().faults;
}

}  // namespace runnel
