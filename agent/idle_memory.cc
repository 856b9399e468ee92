// What idle_memory.h promises.

#include "agent/idle_memory.h"

#include <malloc.h>
#include <sys/resource.h>

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

}  // namespace

void IdleMemory::look() {
  const microseconds now = cpu_time();
  const bool is_quiet = now - seen_ < kQuiet;
  seen_ = now;
  if (!is_quiet || (has_given_ && now - given_ < kWorked)) return;
  ::malloc_trim(0);
  given_ = cpu_time();
  has_given_ = true;
}

}  // namespace runnel
