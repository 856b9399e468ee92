// ControlServer: the local API of a running agent, over the Unix socket in its state directory.
//
// One JSON object a line, both ways. A request: {"command": "…", …}. The answer: one line,
// {"ok": true, "result": …} or {"ok": false, "code": "not_found", "error": "…"}; before it, for
// `tap`, one line {"item": …} for each FlowFile. Requests of one connection are answered in order.
//
//   status                                              → what agent/admin/status_json.h says
//   bulletins    since_id                               → a list, oldest first
//   provenance   uuid | flowfile, with_lineage, component, kind, relationship, attributes {name:
//                value}, from_ms, to_ms, limit          → {"events": [newest first], "is_cut",
//                                                          "damaged_blocks"}
//   lineage      uuid | flowfile                        → parents and children, as
//                                                          ProvenanceLineage has them
//   replay       uuid | flowfile | from_ms, to_ms; component, is_dry_run → what was replayed, and
//                                                          what was not, and why
//   queue_list   connection, limit                      → a list, in the order of taking; shorter
//                                                          where attributes are large
//   queue_peek   connection, flowfile (0: the first), content_max → a FlowFile with its content
//   queue_purge  connection                             → {"removed_count": N}
//   queue_attach parked, connection                     → {"moved_count": N}
//   state_list                                          → what components remember, a list
//   state_show   component, limit                       → one of them, with `entries`
//   state_clear  component                              → {"removed_count": N}
//   flush        within_ms                              → {"took_ms": T} when everything is on disk
//   start, stop  processor (empty: all)                 → {}
//   start        processor, once: true                  → {"ran": [what each has done]}
//   tap          connection, count, one_of (shows one of so many), rate (so many a second, at
//   most),
//                mask_attributes, mask_json (lists)     → {"left_out_count": N} after the items
//   end          (while a tap goes on)                  → ends it
//   graph                                               → the flow (agent/flow/graph.h), null: none
//
// One thread, `admin`; start and stop wait there for the processor, and with `once` for its call.

#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/admin/poll_server.h"
#include "agent/base/result.h"
#include "agent/runtime/engine.h"

namespace runnel {

struct ControlLimits {
  static constexpr std::size_t kList = 1'000;  // FlowFiles or events of one answer
  // Of their attributes: those with which so many are reached are the last ones.
  static constexpr std::size_t kListBytes = 16 << 20;
  static constexpr std::size_t kContent = 1 << 20;  // bytes of one FlowFile, peeked at
  static constexpr std::size_t kTapped = 100'000;   // FlowFiles of one tap
  static constexpr std::chrono::milliseconds kFlush{60'000};
  static constexpr std::size_t kTapBacklog = 8 << 20;  // bytes; beyond it tapped ones are left out
};

// Listens in the engine's state directory. The engine outlives it.
Result<std::unique_ptr<PollServer>> serve_control(const std::string& state_dir, Engine& engine);

}  // namespace runnel
