// What can be seen of a running flow, as plain data: snapshots for the admin socket, the heartbeat,
// the metrics and the tests. Counts are since the engine was opened, unless said otherwise.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sdk/context.h"
#include "agent/sdk/session.h"

namespace runnel {

enum class RunState {
  kStopped,
  kStarting,  // its `start` failed with kUnavailable; tried again with back-off
  kRunning,
  kBackingOff,  // running, but its last trigger failed: not triggered before the back-off is over
  kFailed,      // its `start` was refused (kInvalid); only an operator or a new flow helps
};
std::string_view name_of(RunState state);  // "stopped", "starting", "running", "backing off", …
std::string_view name_of(BulletinLevel level);  // "debug", "info", "warning", "error"
std::string_view name_of(ProvenanceKind kind);  // NiFi's: "CREATE", "ATTRIBUTES_MODIFIED", …
std::optional<ProvenanceKind> provenance_kind(std::string_view name);

struct ProcessorStatus {
  std::string id;
  std::string name;
  std::string path;      // groups and name: `group/sub/name`
  std::string group_id;  // of the process group it stands in
  std::string type;
  RunState state = RunState::kStopped;

  std::uint64_t in_count = 0;  // FlowFiles taken from its connections, committed
  std::uint64_t in_bytes = 0;
  std::uint64_t out_count = 0;  // FlowFiles put into connections
  std::uint64_t out_bytes = 0;
  std::uint64_t made_count = 0;     // created, cloned, merged
  std::uint64_t dropped_count = 0;  // dropped or auto-terminated
  std::uint64_t read_bytes = 0;     // content
  std::uint64_t written_bytes = 0;
  std::uint64_t invocations = 0;    // calls of on_trigger
  std::uint64_t sessions = 0;       // committed
  std::uint64_t failures = 0;       // calls of on_trigger that returned an error
  std::uint64_t processing_ns = 0;  // wall time in on_trigger and commit

  std::uint32_t active_tasks = 0;
  std::uint32_t tasks_max = 1;
  std::uint64_t in_flight = 0;         // handed over, not yet decided
  std::int64_t yield_left_ms = 0;      // it asked not to be triggered
  std::int64_t back_off_left_ms = 0;   // after a failure, or before the next `start`
  std::string last_error;              // empty: none since it was started
  std::int64_t last_error_ms = 0;      // wall time
  std::int64_t last_triggered_ms = 0;  // wall time of the last committed session; 0: never
};

enum class ServiceState {
  kDisabled,
  kEnabled,  // nobody uses it: it starts with its first user
  kRunning,
  kFailed,  // its last `start` did not succeed
};
std::string_view name_of(ServiceState state);  // "disabled", "enabled", "running", "failed"

struct ServiceStatus {
  std::string id;
  std::string name;
  std::string path;
  std::string group_id;
  std::string type;
  ServiceState state = ServiceState::kEnabled;
  std::vector<std::string> users;  // paths of processors and services, in their order
  std::string last_error;          // empty: none since it was started
  std::int64_t last_error_ms = 0;  // wall time
};

struct ConnectionStatus {
  std::string id;
  std::string name;
  std::string group_id;
  std::string from_id;  // processor, port or funnel as the flow says
  std::string from;     // its path
  std::string to_id;
  std::string to;
  std::vector<std::string> relationships;
  bool is_parked = false;  // no longer in the flow; its FlowFiles wait for an operator

  std::uint64_t count = 0;  // queued, those that are taken but not committed included
  std::uint64_t bytes = 0;
  std::uint64_t count_max = 0;  // 0: no limit
  std::uint64_t bytes_max = 0;
  bool is_full = false;
  std::int64_t oldest_age_ms = 0;  // of the FlowFile that has been queued longest

  std::uint64_t in_count = 0;
  std::uint64_t in_bytes = 0;
  std::uint64_t out_count = 0;
  std::uint64_t out_bytes = 0;
};

// Of a process group that lets FlowFiles in singly or in batches.
struct GroupStatus {
  std::string id;
  std::string name;
  std::string path;
  std::string flowfile_concurrency;   // as the flow says it: "single", "batch"
  std::string outbound_policy;        // "stream", "batch"
  std::uint64_t inside_count = 0;     // FlowFiles in it and in groups in it
  std::uint64_t at_output_count = 0;  // of them: wait at its output ports
  bool is_taking_in = false;          // a batch is on its way in; out
  bool is_letting_out = false;
};

// The loss ledger: `in == out + queued + dropped()`, at every moment, since the state directory
// was made.
struct LossFigures {
  std::uint64_t in = 0;   // FlowFiles that came to be
  std::uint64_t out = 0;  // ended by a processor: delivered, merged, split, or dropped on purpose
  std::uint64_t queued = 0;  // parked ones included
  std::uint64_t expired = 0;
  std::uint64_t evicted = 0;      // by a drop policy
  std::uint64_t terminated = 0;   // auto-terminated relationship
  std::uint64_t removed = 0;      // by an operator
  std::uint64_t quarantined = 0;  // unreadable after damage

  std::uint64_t dropped() const { return expired + evicted + terminated + removed + quarantined; }
  bool is_balanced() const { return in == out + queued + dropped(); }
};

// What was lost for one reason since the agent started: how much, and the first and the last of it.
struct DropExtent {
  std::string_view reason;  // as in the loss ledger: "expired", "evicted", "removed", "quarantined"
  std::uint64_t count = 0;
  std::uint64_t first_id = 0;  // FlowFiles; 0: it was dropped unread
  std::uint64_t last_id = 0;
  std::int64_t first_ms = 0;  // wall time
  std::int64_t last_ms = 0;
};

struct LedgerStatus {
  bool is_healthy = true;
  std::string trouble;  // why not
  // To the disk, since the ledger was opened: database, write-ahead log, contents.
  std::uint64_t written_bytes = 0;
  // At the same rate; 0: not known in the first minute.
  std::uint64_t written_bytes_per_day = 0;
  std::uint64_t accepted_bytes = 0;
  std::uint64_t writes = 0;          // transactions
  std::uint64_t unsafe_count = 0;    // FlowFiles that are neither written nor finished
  std::uint64_t database_bytes = 0;  // file and WAL
  std::uint64_t content_bytes = 0;   // segment files
  std::uint64_t disk_quota_bytes = 0;
  std::uint64_t memory_bytes = 0;  // queued FlowFiles in memory
  std::uint64_t memory_budget_bytes = 0;
};

enum class FlowState { kNone, kRunning, kStopped };
std::string_view name_of(FlowState state);

struct Status {
  std::string agent_id;
  std::string flow_name;  // empty: none
  std::string flow_id;
  std::string flow_version;
  FlowState state = FlowState::kNone;
  std::int64_t at_ms = 0;  // wall time of this snapshot
  std::int64_t started_ms = 0;
  std::vector<ProcessorStatus> processors;    // in the order of the flow
  std::vector<ServiceStatus> services;        // in the order of the flow
  std::vector<ConnectionStatus> connections;  // in the order of the flow; parked ones last
  std::vector<GroupStatus> groups;            // in the order of the flow; those with a rule
  LossFigures loss;
  std::vector<DropExtent> drops;  // of the reasons for which something was lost
  LedgerStatus ledger;
};

struct Bulletin {
  std::uint64_t id = 0;  // counts from 1
  std::int64_t at_ms = 0;
  BulletinLevel level = BulletinLevel::kInfo;
  std::string component_id;  // empty: the engine itself
  std::string component;     // its path
  std::string type;          // of the processor
  std::string group_id;
  std::string text;
  std::uint32_t left_out = 0;  // as many of this component were not kept before this one
};

struct ProvenanceQuery {
  std::optional<std::uint64_t> flowfile;  // by id; Engine::flowfile_of turns a uuid into one
  bool with_lineage = false;              // its ancestors and descendants too
  std::string component;                  // id, path or name; empty: all
  std::optional<ProvenanceKind> kind;
  std::string relationship = {};  // of ROUTE, and of an auto-terminating DROP; empty: all
  // Of FlowFiles that have had each of these values at some time. Only of attributes that are
  // recorded (ProvenanceLog::Options::attributes).
  std::vector<std::pair<std::string, std::string>> attributes = {};
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;
  std::size_t limit = 100;  // newest first
};

// What happened alike to all FlowFiles of one session, or, where a FlowFile is asked for, to it.
struct ProvenanceEvent {
  std::uint64_t id = 0;  // in the order of the log
  std::int64_t at_ms = 0;
  ProvenanceKind kind = ProvenanceKind::kUnknown;
  std::string component_id;
  std::string component;  // its path when the flow is still the one of then, else its id
  std::string type;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> flowfiles;  // ranges [first, last]
  std::uint64_t count = 0;                                         // of FlowFiles
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parents;    // CLONE, FORK, JOIN
  std::string relationship;
  std::string uri;
  std::string details;
  std::string alternate_id;
};

struct ProvenanceAnswer {
  std::vector<ProvenanceEvent> events;  // newest first
  // So many FlowFiles have the values asked for that the oldest of them were left out.
  bool is_cut = false;
  std::uint64_t damaged_blocks = 0;  // could not be read
};

// Who comes of whom, around one FlowFile. Ancestors' other children and descendants' other parents
// are not in it.
struct ProvenanceLineage {
  struct Bond {
    ProvenanceKind kind = ProvenanceKind::kUnknown;  // FORK, CLONE, JOIN, REPLAY
    std::int64_t at_ms = 0;
    std::string component_id;
    std::string component;  // as in ProvenanceEvent
    std::uint64_t parent = 0;
    std::uint64_t child = 0;
    std::uint64_t event_id = 0;  // as in ProvenanceEvent
  };
  std::string agent_id;  // of which uuids are made
  std::uint64_t flowfile = 0;
  std::vector<Bond> ancestry;  // from the FlowFile upwards, generation by generation
  std::vector<Bond> descent;   // and downwards
  // So many more parents (children) than are listed above, by FlowFile.
  std::map<std::uint64_t, std::uint64_t> parents_left_out;
  std::map<std::uint64_t, std::uint64_t> children_left_out;
  bool is_cut = false;  // there is more than is listed
  // Of all these FlowFiles, the FlowFile itself included: what happened last to it.
  std::map<std::uint64_t, ProvenanceEvent> last_events;
  std::uint64_t damaged_blocks = 0;
};

struct ReplayRequest {
  std::optional<std::uint64_t> flowfile = {};  // this one, or:
  std::optional<std::int64_t> from_ms = {};    // all that ended from here
  std::optional<std::int64_t> to_ms = {};      // to here
  std::string component = {};                  // at this processor; id, path or name; empty: any
  bool is_dry_run = false;                     // says what would be done
};

struct ReplayAnswer {
  struct Replayed {
    std::uint64_t flowfile = 0;
    std::uint64_t replayed_as = 0;  // 0: a dry run
    std::string connection;         // its name
    std::int64_t ended_ms = 0;
  };
  struct Refused {
    std::uint64_t first = 0;  // a range of FlowFiles
    std::uint64_t last = 0;
    std::string reason;
  };
  static constexpr std::size_t kListed = 1000;  // of each; all are counted
  std::vector<Replayed> replayed;
  std::vector<Refused> refused;
  std::uint64_t replayed_count = 0;
  std::uint64_t refused_count = 0;
  std::uint64_t damaged_blocks = 0;  // of the archive: could not be read
};

// What one trigger of a node that stood still has done (Engine::run_once).
struct RanOnce {
  std::string id;
  std::string path;
  std::uint64_t in_count = 0;  // FlowFiles
  std::uint64_t out_count = 0;
  std::uint64_t made_count = 0;
  std::uint64_t dropped_count = 0;     // delivered, or dropped on purpose
  std::uint64_t unanswered_count = 0;  // given to a client library; they are queued again
  std::string error = {};              // why it was rolled back, or not begun
};

// What a component remembers: a processor, a service, a process group.
struct ComponentState {
  std::string id;
  std::string path;  // empty: the flow has no such component (any more)
  std::uint64_t key_count = 0;
  std::uint64_t bytes = 0;  // of keys and values
};

struct StateEntry {
  std::string key;
  std::string value;
  std::uint64_t size = 0;  // of the whole value, in bytes
};

struct StateView {
  static constexpr std::size_t kValueMax = 4096;  // bytes of a value that are shown
  ComponentState component;
  std::vector<StateEntry> entries;  // in the order of keys
};

struct QueuedFlowFile {
  std::uint64_t id = 0;
  std::string uuid;
  std::uint64_t size = 0;
  std::int64_t entry_ms = 0;
  std::int64_t lineage_start_ms = 0;
  std::int64_t queued_ms = 0;  // wall time at which it entered this connection; 0: not known
  bool is_penalized = false;
  bool is_taken = false;  // by a session that has not committed yet
  std::vector<std::pair<std::string, std::string>> attributes;  // in the order of names
};

struct PeekedFlowFile {
  QueuedFlowFile flowfile;
  std::string content;
  bool is_cut = false;  // there is more content than was asked for
};

}  // namespace runnel
