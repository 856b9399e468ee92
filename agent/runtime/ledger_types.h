// What the ledger is opened with, and what it tells of.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "agent/base/clock.h"
#include "agent/runtime/disk.h"
#include "agent/runtime/queue.h"
#include "agent/runtime/vault.h"

namespace runnel {

// Why a FlowFile ended.
enum class End : std::uint8_t { kOut, kExpired, kEvicted, kTerminated, kRemoved, kQuarantined };

struct LedgerOptions {
  std::string directory;  // the state directory; made if it is not there
  Clock* clock = nullptr;
  std::chrono::milliseconds linger{5};         // of an epoch that somebody waits for
  std::chrono::milliseconds idle_linger{200};  // of one that nobody waits for; no less
  std::chrono::milliseconds lazy{100};         // until what is merely done of saved ones is written
  std::uint64_t memory_budget = 64 << 20;
  std::uint64_t disk_quota = 0;  // 0: 1 GiB, or 80 % of what is free, whichever is less
  // Kept on the disk for when nothing else is left on it: so much is let go to open the database,
  // and to write what has been delivered.
  std::uint64_t reserve = 1 << 20;
  // Told what people should know of: from any thread, without locks.
  std::function<void(const std::string&)> on_trouble = {};
  std::string vfs = {};         // of SQLite; for tests
  EpochNumber first_epoch = 1;  // for tests
  Disk* disk = nullptr;         // of all that SQLite does not write; nullptr: the machine's
  Vault vault = {};             // of FlowFiles and provenance
  // Looks through the whole database as it is opened, not only at what it reads: for `doctor`.
  bool is_thorough = false;
  // No threads of its own: somebody calls `drive_…`, and time is the clock's. For tests that own
  // the order of everything.
  bool is_driven = false;
};

// Those who wait, of one processor: called in the order of its commits. Kept alive by whoever
// waits.
class SafeLine {
 public:
  using Then = std::function<void()>;

 private:
  friend class Ledger;
  struct Waiter {
    EpochNumber epoch;
    std::uint64_t cut;  // 0: being finished is enough; else it needs a cut of at least this number
    Then then;
  };
  std::deque<Waiter> waiters_;  // the ledger's mutex guards these
  std::uint64_t begun_ = 0;     // of its waiters: are being called, or were
  std::uint64_t told_ = 0;      // were called
  bool is_closed_ = false;
  bool is_calling_ = false;
  bool is_listed_ = false;  // among the ledger's `waiting_lines_`
};

struct ParkedQueue {
  std::string id;
  std::string name;
  std::string flow;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

// What one component remembers, as a whole.
struct StateExtent {
  std::string component;  // its id
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;  // of keys and values
};

}  // namespace runnel
