// The C2 messages between an agent and a hub, in both directions, as plain structs.
//
// Readers tolerate what peers really send: members that are absent, null or of another type,
// numbers as texts, every spelling of an operation; what they do not know they ignore. Writers
// write what MiNiFi C++, MiNiFi Java and their servers accept. PROTOCOL.md is normative.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel::c2 {

// What a reader takes of one message; the rest is ignored, longer texts are cut.
struct Limits {
  static constexpr std::size_t kMessage = 16 * 1024 * 1024;  // bytes; larger ones are refused
  static constexpr std::size_t kDepth = 64;                  // of nesting; deeper is refused
  static constexpr std::size_t kText = 64 * 1024;            // bytes of one text
  static constexpr std::size_t kList = 10'000;               // queues, processors, components
  static constexpr std::size_t kBulletins = 1'000;
  static constexpr std::size_t kOperations = 256;
  static constexpr std::size_t kArguments = 1'000;
  static constexpr std::size_t kMemoryKeys = 1'000;  // of one component
};

// ---- heartbeat. An empty text or empty optional: the peer did not say.

struct SystemInfo {
  std::string machine_arch = {};
  std::string operating_system = {};
  std::optional<std::int64_t> v_cores = {};
  std::optional<std::int64_t> physical_mem = {};  // bytes
  std::optional<std::int64_t> memory_usage = {};  // bytes
  std::optional<double> cpu_utilization = {};     // of all cores, 0…1; negative: not known
  std::optional<double> cpu_load_average = {};
};

struct NetworkInfo {
  std::string device_id = {};
  std::string hostname = {};
  std::string ip_address = {};  // also IPv6 with a zone
};

struct DeviceInfo {
  std::string identifier = {};
  SystemInfo system = {};
  NetworkInfo network = {};
};

// MiNiFi Java: `flowFile` and `provenance`, with data sizes; C++: named, with running and full.
struct Repository {
  std::string name = {};
  std::optional<bool> is_running = {};
  std::optional<bool> is_full = {};
  std::optional<std::int64_t> size = {};
  std::optional<std::int64_t> size_max = {};
  std::optional<std::int64_t> data_size = {};  // bytes
  std::optional<std::int64_t> data_size_max = {};
  std::optional<std::int64_t> max_size = {};  // C++
  std::optional<std::int64_t> entry_count = {};
};

struct ComponentState {
  std::string name = {};
  std::string uuid = {};
  std::optional<bool> is_running = {};
};

struct AgentStatus {
  std::optional<std::int64_t> uptime_ms = {};
  std::vector<Repository> repositories = {};
  std::vector<ComponentState> components = {};
  std::optional<std::int64_t> memory_usage = {};  // bytes, of the agent's process
  std::optional<double> cpu_utilization = {};     // of the agent's process, of all cores, 0…1
};

struct AgentInfo {
  std::string identifier = {};
  std::string agent_class = {};
  std::string manifest_hash =
      {};  // an opaque token: compare it, never compute it of a foreign manifest
  std::string manifest_json = {};  // empty: not sent. agent/spec/manifest.h reads it
  AgentStatus status = {};
};

struct FlowUri {
  std::string registry_url = {};
  std::string bucket_id = {};
  std::string flow_id = {};
};

struct Queue {
  std::string id = {};
  std::string name = {};
  std::optional<std::int64_t> size = {};  // FlowFiles
  std::optional<std::int64_t> size_max = {};
  std::optional<std::int64_t> data_size = {};  // bytes
  std::optional<std::int64_t> data_size_max = {};
};

enum class RunStatus { kUnknown, kRunning, kStopped };

// MiNiFi Java: of the last five minutes. C++ and Runnel: since the process started.
struct ProcessorStatus {
  std::string id = {};
  std::string group_id = {};
  std::int64_t bytes_read = 0;
  std::int64_t bytes_written = 0;
  std::int64_t flow_files_in = 0;
  std::int64_t flow_files_out = 0;
  std::int64_t bytes_in = 0;
  std::int64_t bytes_out = 0;
  std::int64_t invocations = 0;
  std::int64_t processing_nanos = 0;
  std::int64_t active_thread_count = 0;  // -1: not known
  std::int64_t terminated_thread_count = 0;
  RunStatus run_status = RunStatus::kUnknown;
};

// Repeated in successive heartbeats; ids begin anew with the agent's process.
struct ProcessorBulletin {
  std::int64_t id = 0;
  std::int64_t timestamp_ms = 0;
  std::string level = {};  // "ERROR", "WARN", "WARNING", "INFO", …
  std::string category = {};
  std::string message = {};
  std::string group_id = {};
  std::string group_name = {};
  std::string group_path = {};
  std::string source_id = {};
  std::string source_name = {};
  std::string node_address = {};
  std::string flow_file_uuid = {};
};

struct FlowInfo {
  std::string flow_id = {};
  RunStatus run_status = RunStatus::kUnknown;
  std::optional<FlowUri> flow_uri = {};
  std::vector<Queue> queues = {};
  std::vector<ProcessorStatus> processors = {};
  std::vector<ProcessorBulletin> bulletins = {};
};

// ---- what a Runnel agent says beyond C2, under the key `runnel`. Foreign servers ignore it.

enum class Health { kUnknown, kOk, kDegraded, kBackPressure, kStopped };
enum class UpdateState { kNone, kApplying, kApplied, kFailed };

// What became of the flow that the hub last sent.
struct FlowUpdate {
  UpdateState state = UpdateState::kNone;
  std::string flow_id = {};
  std::string reason = {};  // why it failed
};

// in == out + queued + the dropped ones, since the agent's state directory began.
struct LossLedger {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t queued = 0;
  std::int64_t dropped_expired = 0;
  std::int64_t dropped_evicted = 0;
  std::int64_t dropped_auto_terminated = 0;
  std::int64_t dropped_removed = 0;
  std::int64_t dropped_quarantined = 0;

  bool is_balanced() const {
    return in == out + queued + dropped_expired + dropped_evicted + dropped_auto_terminated +
                     dropped_removed + dropped_quarantined;
  }
};

// What came into the flow and left it since the process started. A number that fell began anew.
struct Traffic {
  std::int64_t in_records = 0;  // FlowFiles
  std::int64_t in_bytes = 0;
  std::int64_t out_records = 0;
  std::int64_t out_bytes = 0;
};

struct QueueDetail {
  std::string id = {};
  std::int64_t age_ms_max = 0;  // of the FlowFile that has been queued longest
  bool is_full = false;
  bool is_parked = false;  // no longer in the flow; its FlowFiles wait for an operator
};

struct ProcessorDetail {
  std::string id = {};
  std::string name = {};
  std::string type = {};
  std::string run_state = {};  // "running", "stopped", "starting", "invalid"
  std::int64_t errors_total = 0;
  std::string error = {};  // the last one, while it matters
};

struct ServiceDetail {
  std::string id = {};
  std::string name = {};
  std::string type = {};
  std::string state = {};  // "disabled", "enabled", "running", "failed"
  std::int64_t users = 0;  // processors and services that use it now
  std::string error = {};  // why it could not be started, while it is not running
};

struct RunnelInfo {
  std::string boot = {};      // new with each start of the process
  std::int64_t sequence = 0;  // of heartbeats since then, from 1
  std::int64_t interval_ms = 0;
  std::string flow_name = {};
  std::string flow_version = {};
  std::string flow_sha256 = {};  // of the text that runs
  std::int64_t flow_started_ms = 0;
  Health health = Health::kUnknown;
  std::string health_reason = {};
  FlowUpdate update = {};
  LossLedger ledger = {};
  Traffic traffic = {};
  std::vector<QueueDetail> queues = {};
  std::vector<ProcessorDetail> processors = {};
  std::vector<ServiceDetail> services = {};
  std::optional<std::int64_t> disk_used_bytes = {};  // by the state directory
  std::optional<std::int64_t> disk_total_bytes = {};
  std::optional<std::int64_t> disk_free_bytes = {};
  std::optional<std::int64_t> host_uptime_ms = {};
};

struct Heartbeat {
  std::optional<std::int64_t> created_ms = {};  // by the agent's clock
  DeviceInfo device = {};
  AgentInfo agent = {};
  FlowInfo flow = {};
  std::string resource_hash = {};         // `resourceInfo.hash`; empty: never synchronized
  std::optional<RunnelInfo> runnel = {};  // none: a foreign agent
};

std::string to_json(const Heartbeat& heartbeat);
// kInvalid: no JSON object, too large or too deep. Everything in it may be missing.
Result<Heartbeat> heartbeat_from_json(std::string_view json);

// ---- the hub's answer

enum class Verb {
  kUnknown,
  kAcknowledge,
  kClear,
  kDescribe,
  kHeartbeat,
  kPause,
  kReplicate,
  kRestart,
  kResume,
  kStart,
  kStop,
  kSubscribe,
  kSync,
  kTransfer,
  kUpdate,
};

struct Argument {
  std::string name = {};
  std::string value = {};
  bool is_json = false;  // `value` is the text of an object or array
};

struct Operation {
  std::string identifier = {};  // globally unique: acknowledgements name nothing else
  Verb verb = Verb::kUnknown;
  std::string verb_text = {};  // as it was read; for complaints
  std::string operand = {};    // lower case; empty: none
  std::vector<Argument> arguments = {};

  const std::string* argument(std::string_view name) const;  // nullptr: not given
};

struct HeartbeatResponse {
  std::vector<Operation> operations = {};
  std::optional<std::int64_t> heartbeat_ms = {};  // how often the hub wants to hear from this agent
  std::vector<std::string> complaints = {};       // of operations that could not be read
};

// The universal encoding: what every known agent takes. Write at most one operation in a response,
// and only what the agent lists in its supportedOperations.
std::string to_json(const HeartbeatResponse& response);
// An empty text is an empty response. kInvalid: not JSON, or too large or too deep.
Result<HeartbeatResponse> response_from_json(std::string_view json);

// ---- acknowledgement

enum class AckState {
  kFullyApplied,
  kPartiallyApplied,
  kNotUnderstood,
  kNoOperation,  // there was nothing to do: a success
  kNotApplied,
};

struct ValidationResult {
  std::string subject = {};
  std::string input = {};
  std::string explanation = {};
  bool is_valid = false;
};

struct FailureCause {
  std::string message = {};
  std::vector<std::string> caused_by = {};
  std::vector<ValidationResult> validation = {};
};

// What a processor, service or group remembers, as texts.
struct ComponentMemory {
  std::string id = {};
  std::vector<std::pair<std::string, std::string>> values = {};  // by key
};

struct Acknowledgement {
  std::string operation_id = {};
  AckState state = AckState::kNotApplied;
  std::optional<std::string> details = {};
  std::optional<FailureCause> failure = {};
  // Answer to DESCRIBE manifest: a whole heartbeat with the manifest. Servers treat it as one.
  std::optional<Heartbeat> described = {};
  // Answer to DESCRIBE corecomponentstate.
  std::optional<std::vector<ComponentMemory>> memories = {};

  bool is_success() const {
    return state == AckState::kFullyApplied || state == AckState::kNoOperation;
  }
};

std::string to_json(const Acknowledgement& acknowledgement);
// kInvalid: not JSON, too large, too deep, or without the operation's id. An unknown state reads as
// not applied.
Result<Acknowledgement> acknowledgement_from_json(std::string_view json);

std::string_view name_of(RunStatus status);   // "RUNNING", "STOPPED", ""
std::string_view name_of(Health health);      // "ok", "degraded", "back_pressure", …
std::string_view name_of(UpdateState state);  // "none", "applying", "applied", "failed"
std::string_view name_of(Verb verb);          // "UPDATE"
Verb verb_of(std::string_view text);          // any case
std::string_view name_of(AckState state);     // "FULLY_APPLIED"

}  // namespace runnel::c2
