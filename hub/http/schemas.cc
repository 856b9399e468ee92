// The shapes of all REST bodies; hub/ui/src/api/types.ts says what each key means.

#include "hub/http/schema.h"

namespace runnel::hub {
namespace {

constexpr Schema kSchemas[] = {
    {"Complaint", "line: integer, column: integer, message: string"},
    {"Problem",
     "type: string, title: string, status: integer, detail: string, complaints?: Complaint[]"},
    {"Session",
     "user: string, role: administrator|operator|viewer, csrf_token: string, expires_ms: integer, "
     "hub_version: string"},
    {"Login", "user: string, password: string"},
    {"Token",
     "id: string, name: string, user: string, created_ms: integer, expires_ms: integer?, used_ms: "
     "integer?"},
    {"NewToken", "name: string, expires_ms?: integer?"},
    {"CreatedToken", "Token + token: string"},
    {"Connectivity", "= online|late|offline|never_seen"},
    {"Sync", "= in_sync|pending|applying|failed|unassigned"},
    {"Health", "= ok|degraded|back_pressure|stopped|unknown"},
    {"ConnectivityCounts", "online: integer, late: integer, offline: integer, never_seen: integer"},
    {"SyncCounts",
     "in_sync: integer, pending: integer, applying: integer, failed: integer, unassigned: integer"},
    {"HealthCounts",
     "ok: integer, degraded: integer, back_pressure: integer, stopped: integer, unknown: integer"},
    {"FlowRef", "name: string, version: integer?"},
    {"RunWanted",
     "state: running|stopped, author: string, asked_ms: integer, is_of_agent: boolean"},
    {"AgentRow",
     "id: string, name: string, class: string, hostname: string?, connectivity: Connectivity, "
     "connectivity_reason: string?, sync: Sync, sync_reason: string?, health: Health, "
     "health_reason: string?, "
     "flow_desired: FlowRef?, flow_reported: FlowRef?, registered_ms: integer, last_seen_ms: "
     "integer?, "
     "agent_type: string, agent_version: string?, in_records_per_s: number?, in_bytes_per_s: "
     "number?, "
     "out_records_per_s: number?, out_bytes_per_s: number?, queued_count: integer?, queued_bytes: "
     "integer?, "
     "queued_age_ms_max: integer?, cpu_percent: number?, memory_bytes: integer?, disk_used_bytes: "
     "integer?"},
    {"AgentDetail",
     "AgentRow + as_of_ms: integer, device: DeviceInfo, manifest_hash: string?, "
     "heartbeat_interval_ms: integer?, "
     "flow_run_state: running|stopped|starting|stopping|unknown, run_wanted: RunWanted?, "
     "flow_sha256: string?, "
     "flow_started_ms: integer?, "
     "graph: FlowGraph?, processors: ProcessorStatus[], queues: QueueStatus[], ledger: "
     "LossLedger?, "
     "bulletins: Bulletin[], operations: Operation[], operations_supported: string[]"},
    {"DeviceInfo",
     "hostname: string?, ip: string?, os: string?, arch: string?, cpu_count: integer?, "
     "cpu_percent: number?, "
     "memory_total_bytes: integer?, memory_used_bytes: integer?, disk_total_bytes: integer?, "
     "disk_free_bytes: integer?, uptime_ms: integer?, agent_started_ms: integer?"},
    {"ProcessorStatus",
     "id: string, name: string, type: string, run_state: "
     "running|stopped|starting|stopping|invalid|unknown, "
     "in_records_per_s: number?, in_bytes_per_s: number?, out_records_per_s: number?, "
     "out_bytes_per_s: number?, "
     "tasks_active: integer?, errors_total: integer?, error: string?"},
    {"QueueStatus",
     "id: string, name: string, queued_count: integer, queued_bytes: integer, limit_count: "
     "integer, "
     "limit_bytes: integer, age_ms_max: integer?, is_full: boolean"},
    {"LossLedger",
     "in: integer, out: integer, queued: integer, dropped_expired: integer, dropped_evicted: "
     "integer, "
     "dropped_auto_terminated: integer, dropped_removed: integer, dropped_quarantined: integer, "
     "is_balanced: boolean"},
    {"Severity", "= info|warning|error"},
    {"Bulletin",
     "id: integer, time_ms: integer, severity: Severity, component_id: string?, component_name: "
     "string?, "
     "message: string"},
    {"Operation",
     "id: string, agent: string, operation: start|stop|run_once|clear|restart|describe|update, "
     "operand: flow|processor|connection|agent|manifest|corecomponentstate|configuration, "
     "target: string?, "
     "target_name: string?, "
     "state: queued|delivered|done|failed|expired|superseded, detail: string?, author: string, "
     "created_ms: integer, delivered_ms: integer?, finished_ms: integer?, expires_ms: integer"},
    {"NewOperation",
     "operation: start|stop|run_once|clear|restart|describe, operand: "
     "flow|processor|connection|agent|manifest|corecomponentstate, "
     "target?: string?"},
    {"AcceptedOperations", "created_count: integer, operations: Operation[]"},
    {"Metrics",
     "as_of_ms: integer, from_ms: integer, to_ms: integer, step_ms: integer, times_ms: integer[], "
     "series: map<number?[]>"},
    {"AgentClass",
     "name: string, created_ms: integer, flow_desired: FlowRef?, run_wanted: RunWanted?, "
     "agents_total: integer, "
     "agents_by_connectivity: ConnectivityCounts, agents_by_sync: SyncCounts, agents_by_health: "
     "HealthCounts"},
    {"FlowGraph", "nodes: GraphNode[], edges: GraphEdge[]"},
    {"GraphNode",
     "id: string, name: string, kind: processor|funnel|input_port|output_port, type: string, "
     "group: string[]"},
    {"GraphEdge",
     "id: string, name: string, from: string, to: string, relationships: string[], limit_count: "
     "integer, "
     "limit_bytes: integer"},
    {"ClassVersion", "name: string, version: integer"},
    {"VersionAgents", "version: integer?, agents: integer"},
    {"FlowRow",
     "name: string, version_latest: integer, versions_total: integer, author: string, message: "
     "string, "
     "changed_ms: integer, classes: ClassVersion[], agents_by_sync: SyncCounts, agents_by_version: "
     "VersionAgents[]"},
    {"VersionRow",
     "version: integer, author: string, message: string, created_ms: integer, sha256: string, "
     "size_bytes: integer, agents: integer"},
    {"FlowDetail", "FlowRow + as_of_ms: integer, versions: VersionRow[]"},
    {"FlowVersion", "VersionRow + name: string, text: string, graph: FlowGraph"},
    {"NewVersion", "text: string, message: string"},
    {"PushedVersion", "VersionRow + name: string, is_new: boolean"},
    {"CheckRequest", "text: string, class?: string?"},
    {"CheckResult",
     "is_valid: boolean, complaints: Complaint[], manifests: ManifestCheck[], name: string?, "
     "graph: FlowGraph?"},
    {"ManifestCheck",
     "manifest_hash: string, agent_type: string, agent_version: string?, agents_total: integer, "
     "complaints: Complaint[]"},
    {"FlowDiff",
     "name: string, from: integer, to: integer, added_lines: integer, removed_lines: integer, "
     "lines: DiffLine[]"},
    {"DiffLine", "kind: same|added|removed, from_line: integer?, to_line: integer?, text: string"},
    {"DeployRequest", "class: string, flow: string, version: integer, agents_expected?: integer?"},
    {"DeployPreview",
     "as_of_ms: integer, class: string, flow: string, version: integer, is_deployable: boolean, "
     "flow_current: FlowRef?, agents_total: integer, agents_unchanged: integer, "
     "agents_by_connectivity: ConnectivityCounts, agents_sample: string[], complaints: "
     "Complaint[], "
     "manifests: ManifestCheck[]"},
    {"Failure", "reason: string, agents: integer, agents_sample: string[]"},
    {"Deployment",
     "as_of_ms: integer, class: string, flow: string, version: integer, author: string, "
     "deployed_ms: integer, run_wanted: RunWanted?, "
     "agents_total: integer, agents_by_sync: SyncCounts, failures: Failure[]"},
    {"FleetEvent",
     "id: integer, time_ms: integer, kind: string, severity: Severity, actor: string?, agent: "
     "string?, "
     "class: string?, flow: string?, version: integer?, message: string"},
    {"EventList", "as_of_ms: integer, items: FleetEvent[], next_before: integer?"},
    {"Adoption", "flow: string, version: integer?, agents: integer"},
    {"HubHealth",
     "version: string, started_ms: integer, heartbeats_per_s: number, heartbeat_ms_p99: number?, "
     "memory_bytes: integer, database_bytes: integer"},
    {"Overview",
     "as_of_ms: integer, agents_total: integer, agents_by_connectivity: ConnectivityCounts, "
     "agents_by_sync: SyncCounts, agents_by_health: HealthCounts, agents_online_change: integer?, "
     "in_records_per_s: number, in_bytes_per_s: number, out_records_per_s: number, "
     "out_bytes_per_s: number, "
     "queued_count: integer, queued_bytes: integer, queued_age_ms_max: integer?, adoption: "
     "Adoption[], "
     "deployments: Deployment[], events: FleetEvent[], hub: HubHealth"},
};

}  // namespace

std::span<const Schema> schemas() { return kSchemas; }

}  // namespace runnel::hub
