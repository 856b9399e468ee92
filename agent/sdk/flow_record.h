// FlowRecord: what a FlowFile handle stands for: 64 bytes that are copied, queued and written as
// they are.

#pragma once

#include <cstdint>

namespace runnel {

class Attributes;  // agent/runtime/attributes.h
class Content;     // agent/runtime/content.h

// A slice of time, in which FlowFiles are born (agent/runtime/ledger.h). Counted from 1; 0: an
// earlier life of the agent. 64 bits do not begin anew: at one in 1.25 ms they last 700 million
// years.
using EpochNumber = std::uint64_t;

// Owns one reference to `attributes` and one to `content`, which are managed by hand where it is
// copied.
struct FlowRecord {
  std::uint64_t id = 0;
  std::int64_t entry_ms = 0;         // wall time
  Attributes* attributes = nullptr;  // nullptr: none
  Content* content = nullptr;        // nullptr: empty
  std::uint64_t offset = 0;          // of the slice of `content` that is this FlowFile's
  std::uint64_t size = 0;
  EpochNumber epoch = 0;               // of its birth, which its descendants inherit
  std::uint32_t lineage_lead_ms = 0;   // how much earlier than `entry_ms` its oldest ancestor came
  std::uint32_t penalty_until_ms = 0;  // by the ledger's own clock; 0: none

  // Wall time at which its oldest ancestor came.
  std::int64_t lineage_start_ms() const { return entry_ms - lineage_lead_ms; }
};
static_assert(sizeof(FlowRecord) == 64);

}  // namespace runnel
