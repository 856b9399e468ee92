// The REST contract of the hub, /api/v1: every route and the shape of every body, for the pages, runnelctl and the hub's handlers.
//
// RULES
//   JSON     UTF-8, keys snake_case; times are milliseconds since 1970 and end in `_ms`; durations too; sizes end in `_bytes`; rates in `_per_s`.
//            A key is always present; what is not known is `null` (never left out), except where `?` stands in a request.
//            Readers ignore keys that they do not know. A request with an unknown key is refused (422).
//   lists    `{as_of_ms, total, offset, items}`; `limit` 1…1000 (default 100), `offset` from 0. A filter that takes several values takes them
//            separated by commas (`sync=pending,failed`); values of one filter are alternatives, different filters all have to hold.
//   names    of agents, classes, flows in a path are percent-encoded, one segment each. Class and flow: 1…64 of [A-Za-z0-9._-]; agent id: 1…128
//            visible ASCII characters.
//   errors   application/problem+json (RFC 9457), see `Problem`. 400 not JSON or bad query value · 401 no or expired session (`type` ends in
//            `unauthenticated`) · 403 CSRF header missing or wrong, or not allowed · 404 · 405 · 409 state has changed · 413 body over 64 MiB for a
//            flow's text, 64 KiB elsewhere · 415 not application/json · 422 understood but not acceptable, with `complaints` where it is about a
//            flow · 429 too many logins, with Retry-After · 503 hub is starting or stopping, with Retry-After.
//   session  cookie `__Host-runnel` (Secure; HttpOnly; SameSite=Strict; Path=/), set by login; with --plain-http it is named `runnel` and has no
//            Secure. Idle 30 minutes, 12 hours in all. Every request that changes something
//            (not GET, HEAD) sends the header `X-Runnel-CSRF` with the `csrf_token` of login or me; else 403.
//   token    `Authorization: Bearer rnl_…` instead of the cookie; needs no CSRF header. With both, the token counts.
//   live     Pages poll (2 to 3 s while visible, never while hidden): civetweb has one thread per open connection, so no request is held open.
//            No long poll, no event stream. Handlers answer from memory. Live answers carry `Cache-Control: no-store` and `as_of_ms`.
//
// ROUTES (all under /api/v1; all need a session or token, except login; body → answer)
//   POST   login                          {user, password}         → 200 Session + cookie · 401 wrong-credentials · 429
//   POST   logout                                                  → 204, cookie cleared (also when there was no session)
//   GET    me                                                      → 200 Session · 401
//   GET    tokens                                                  → 200 List<Token>
//   POST   tokens                         NewToken                 → 201 CreatedToken (the only time `token` is shown)
//   DELETE tokens/{id}                                             → 204 · 404
//
//   GET    overview                                                → 200 Overview
//   GET    overview/metrics               ?from_ms&to_ms&step_ms&series    → 200 Metrics (sums over the fleet, and `agents_online`)
//
//   GET    agents                         ?q&class&connectivity&sync&health&flow&version&sort&offset&limit → 200 List<AgentRow>
//            q: case-insensitive part of id, name, hostname or ip · flow, version: what the agent reports to run
//            sort: one key of AgentSort, with `-` in front for descending; default `id`; ties by id; null sorts last in both directions
//   GET    agents/{id}                                             → 200 AgentDetail · 404
//   GET    agents/{id}/metrics            ?from_ms&to_ms&step_ms&series    → 200 Metrics · 404
//   GET    agents/{id}/operations         ?offset&limit            → 200 List<Operation>, newest first · 404
//   POST   agents/{id}/operations         NewOperation             → 202 AcceptedOperations · 404 · 409 agent does not support it · 422
//
//   GET    classes                                                 → 200 List<AgentClass>, by name (not paged: limit is ignored)
//   GET    classes/{name}                                          → 200 AgentClass · 404
//   POST   classes/{name}/operations      NewOperation             → 202 AcceptedOperations: one operation for each agent of the class; start and stop of the flow hold for agents that come later, too · 404 · 422
//
//   GET    flows                                                   → 200 List<FlowRow>, by name (not paged)
//   POST   flows                          NewVersion               → 201 PushedVersion · 200 PushedVersion with is_new=false when the text is that of
//                                                                    the latest version · 422 with complaints. The flow's name is the text's `flow:` key.
//   POST   flows/check                    CheckRequest             → 200 CheckResult (also when there are complaints)
//   GET    flows/{name}                                            → 200 FlowDetail (versions newest first, without text) · 404
//   GET    flows/{name}/versions/{v}                               → 200 FlowVersion (v: number, or `latest`) · 404
//   GET    flows/{name}/versions/{v}/text                          → 200 text/plain, the exact bytes, ETag "sha256" · 404
//   GET    flows/{name}/versions/{v}/check   ?class                → 200 CheckResult · 404
//   GET    flows/{name}/diff              ?from&to                 → 200 FlowDiff (from, to: version numbers) · 404
//   GET    flows/{name}/metrics           ?from_ms&to_ms&step_ms&series    → 200 Metrics (sums over the agents that report this flow) · 404
//   GET    flows/{name}/status                                     → 200 List<Deployment>: the classes that this flow is deployed to · 404
//
//   POST   deployments/preview            DeployRequest            → 200 DeployPreview · 404 flow or version
//   POST   deployments                    DeployRequest            → 201 Deployment · 404 · 409 target-changed: `agents_expected` is not what the class
//                                                                    has now · 422 with complaints: some manifest cannot run this version
//                                            (a class that does not exist yet is created: agents of it come later)
//   GET    deployments                                             → 200 List<Deployment>, by class (not paged)
//   GET    deployments/{class}                                     → 200 Deployment · 404 nothing is deployed there
//
//   GET    events                         ?kind&severity&agent&class&flow&q&since&before&limit → 200 EventList, newest first
//            since: only ids greater · before: only ids smaller (page on with next_before) · q: case-insensitive part of the message
//   GET    openapi.json                                            → 200, needs no session
//
// Metrics queries: from_ms default one hour ago, to_ms default now, step_ms the wanted distance (default (to-from)/300); the hub answers with the
// stored resolution that is nearest and not finer than needed for 2,000 points. `series`: names of MetricName, comma-separated; default all.

// ---------------------------------------------------------------------------------------------------------------- errors, session

/** A complaint of `runnel-agent check`, placed in the flow's text. line and column count from 1; 0 when it belongs to no place. */
export interface Complaint {
  line: number;
  column: number;
  message: string;
}

/** RFC 9457. `type` is `urn:runnel:problem:<word>`: unauthenticated, wrong-credentials, csrf, forbidden, not-found, invalid, target-changed, unsupported, too-many, unavailable. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  complaints?: Complaint[];
}

export interface Session {
  user: string;
  role: "administrator" | "operator" | "viewer";
  /** Empty for API tokens. */
  csrf_token: string;
  expires_ms: number;
  hub_version: string;
}

export interface Token {
  id: string;
  name: string;
  user: string;
  created_ms: number;
  expires_ms: number | null;
  used_ms: number | null;
}
export interface NewToken {
  name: string;
  expires_ms?: number | null;
}
export interface CreatedToken extends Token {
  token: string;
}

export interface List<T> {
  as_of_ms: number;
  total: number;
  offset: number;
  items: T[];
}

// ------------------------------------------------------------------------------------------------------------------------- agents

export type Connectivity = "online" | "late" | "offline" | "never_seen";
/** `unassigned`: the agent's class has no flow. `pending`: offered or not yet fetched. `failed` carries the reason in sync_reason. */
export type Sync = "in_sync" | "pending" | "applying" | "failed" | "unassigned";
export type Health = "ok" | "degraded" | "back_pressure" | "stopped" | "unknown";

/** A version of a flow. version is null when the text that an agent runs is not in the catalog. */
export interface FlowRef {
  name: string;
  version: number | null;
}

/** Whether flows are to run, as somebody asked last; is_of_agent: asked of this agent alone, which holds until the whole class is asked. */
export interface RunWanted {
  state: "running" | "stopped";
  author: string;
  asked_ms: number;
  is_of_agent: boolean;
}

export type AgentSort =
  | "id" | "class" | "connectivity" | "sync" | "health" | "flow" | "last_seen_ms" | "registered_ms"
  | "in_records_per_s" | "out_records_per_s" | "in_bytes_per_s" | "out_bytes_per_s"
  | "queued_count" | "queued_bytes" | "queued_age_ms_max" | "cpu_percent" | "memory_bytes" | "disk_used_bytes";

export interface AgentRow {
  id: string;
  /** Shown beside the id when they differ; the id when the agent gives no name. */
  name: string;
  class: string;
  hostname: string | null;
  connectivity: Connectivity;
  connectivity_reason: string | null;
  sync: Sync;
  sync_reason: string | null;
  health: Health;
  health_reason: string | null;
  flow_desired: FlowRef | null;
  flow_reported: FlowRef | null;
  registered_ms: number;
  last_seen_ms: number | null;
  /** runnel, minifi-cpp, minifi-java or what the agent says. */
  agent_type: string;
  agent_version: string | null;
  in_records_per_s: number | null;
  in_bytes_per_s: number | null;
  out_records_per_s: number | null;
  out_bytes_per_s: number | null;
  queued_count: number | null;
  queued_bytes: number | null;
  queued_age_ms_max: number | null;
  cpu_percent: number | null;
  memory_bytes: number | null;
  disk_used_bytes: number | null;
}

export interface AgentDetail extends AgentRow {
  as_of_ms: number;
  device: DeviceInfo;
  manifest_hash: string | null;
  heartbeat_interval_ms: number | null;
  flow_run_state: "running" | "stopped" | "starting" | "stopping" | "unknown";
  /** null: nobody has asked. */
  run_wanted: RunWanted | null;
  flow_sha256: string | null;
  flow_started_ms: number | null;
  /** Graph of the reported flow; from the catalog, else null (then the page lists processors and queues). */
  graph: FlowGraph | null;
  /** By id of the graph's nodes and edges; empty until the agent has reported them. */
  processors: ProcessorStatus[];
  queues: QueueStatus[];
  ledger: LossLedger | null;
  /** Newest first, at most 50. */
  bulletins: Bulletin[];
  /** Newest first, at most 20; all of them by agents/{id}/operations. */
  operations: Operation[];
  /** What may be posted to agents/{id}/operations, from the agent's supportedOperations: `<operation>/<operand>`. */
  operations_supported: string[];
}

export interface DeviceInfo {
  hostname: string | null;
  ip: string | null;
  os: string | null;
  arch: string | null;
  cpu_count: number | null;
  cpu_percent: number | null;
  memory_total_bytes: number | null;
  memory_used_bytes: number | null;
  disk_total_bytes: number | null;
  disk_free_bytes: number | null;
  uptime_ms: number | null;
  agent_started_ms: number | null;
}

export interface ProcessorStatus {
  id: string;
  name: string;
  type: string;
  run_state: "running" | "stopped" | "starting" | "stopping" | "invalid" | "unknown";
  in_records_per_s: number | null;
  in_bytes_per_s: number | null;
  out_records_per_s: number | null;
  out_bytes_per_s: number | null;
  tasks_active: number | null;
  errors_total: number | null;
  /** The newest error bulletin of this component, when it is younger than five minutes. */
  error: string | null;
}

export interface QueueStatus {
  id: string;
  name: string;
  queued_count: number;
  queued_bytes: number;
  /** 0: no limit. */
  limit_count: number;
  limit_bytes: number;
  age_ms_max: number | null;
  is_full: boolean;
}

/** in = out + queued + the sum of dropped, since the agent's state directory began. Counts FlowFiles. */
export interface LossLedger {
  in: number;
  out: number;
  queued: number;
  dropped_expired: number;
  dropped_evicted: number;
  dropped_auto_terminated: number;
  dropped_removed: number;
  dropped_quarantined: number;
  is_balanced: boolean;
}

export type Severity = "info" | "warning" | "error";

export interface Bulletin {
  id: number;
  time_ms: number;
  severity: Severity;
  /** Component id and name; null for the agent itself. */
  component_id: string | null;
  component_name: string | null;
  message: string;
}

export type OperationVerb = "start" | "stop" | "run_once" | "clear" | "restart" | "describe" | "update";
export type OperationOperand = "flow" | "processor" | "connection" | "agent" | "manifest" | "corecomponentstate" | "configuration";
export type OperationState = "queued" | "delivered" | "done" | "failed" | "expired" | "superseded";

export interface Operation {
  id: string;
  agent: string;
  operation: OperationVerb;
  operand: OperationOperand;
  /** Id of the processor or connection; flow name@version for update/configuration; else null. */
  target: string | null;
  target_name: string | null;
  state: OperationState;
  detail: string | null;
  author: string;
  created_ms: number;
  delivered_ms: number | null;
  finished_ms: number | null;
  expires_ms: number;
}

/** Postable: start|stop flow · start|stop|run_once processor (target; run_once: a process group, too) · clear connection (target) · restart agent · describe manifest|corecomponentstate. */
export interface NewOperation {
  operation: Exclude<OperationVerb, "update">;
  operand: Exclude<OperationOperand, "configuration">;
  /** Id or name of the processor or connection; names are resolved in the reported flow. */
  target?: string | null;
}

export interface AcceptedOperations {
  created_count: number;
  /** At most the first 100. */
  operations: Operation[];
}

// ------------------------------------------------------------------------------------------------------------------------ metrics

export type MetricName =
  | "in_records_per_s" | "in_bytes_per_s" | "out_records_per_s" | "out_bytes_per_s"
  | "queued_count" | "queued_bytes" | "queued_age_ms_max"
  | "dropped_expired_per_s" | "dropped_evicted_per_s" | "dropped_auto_terminated_per_s" | "dropped_removed_per_s" | "dropped_quarantined_per_s"
  | "cpu_percent" | "memory_bytes" | "disk_used_bytes"
  /** Only in overview/metrics and flows/{name}/metrics. */
  | "agents_online";

/** Columns of one length: series[name][i] is the mean (for *_max: the maximum) over [times_ms[i], times_ms[i] + step_ms); null where nothing was heard. */
export interface Metrics {
  as_of_ms: number;
  from_ms: number;
  to_ms: number;
  step_ms: number;
  times_ms: number[];
  series: Partial<Record<MetricName, (number | null)[]>>;
}

// ------------------------------------------------------------------------------------------------------------------ classes, flows

export type Counts<Key extends string> = Record<Key, number>;

export interface AgentClass {
  name: string;
  created_ms: number;
  flow_desired: FlowRef | null;
  run_wanted: RunWanted | null;
  agents_total: number;
  agents_by_connectivity: Counts<Connectivity>;
  agents_by_sync: Counts<Sync>;
  agents_by_health: Counts<Health>;
}

export interface FlowGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}
export interface GraphNode {
  id: string;
  name: string;
  kind: "processor" | "funnel" | "input_port" | "output_port";
  /** ConsumeMQTT …; empty for funnels and ports. */
  type: string;
  /** Names of the process groups around it, outermost first; empty at the root. */
  group: string[];
}
export interface GraphEdge {
  id: string;
  name: string;
  from: string;
  to: string;
  relationships: string[];
  /** 0: no limit. */
  limit_count: number;
  limit_bytes: number;
}

export interface FlowRow {
  name: string;
  version_latest: number;
  versions_total: number;
  author: string;
  message: string;
  changed_ms: number;
  /** Where it is deployed. */
  classes: { name: string; version: number }[];
  /** Of the agents of those classes. */
  agents_by_sync: Counts<Sync>;
  /** What agents report to run, by version; version null: a text that is not in the catalog. */
  agents_by_version: { version: number | null; agents: number }[];
}

export interface VersionRow {
  version: number;
  author: string;
  message: string;
  created_ms: number;
  sha256: string;
  size_bytes: number;
  /** Agents that report to run it. */
  agents: number;
}

export interface FlowDetail extends FlowRow {
  as_of_ms: number;
  versions: VersionRow[];
}

export interface FlowVersion extends VersionRow {
  name: string;
  text: string;
  graph: FlowGraph;
}

export interface NewVersion {
  text: string;
  message: string;
}
export interface PushedVersion extends VersionRow {
  name: string;
  is_new: boolean;
}

export interface CheckRequest {
  text: string;
  /** Check against the manifests of this class too. */
  class?: string | null;
}
export interface CheckResult {
  is_valid: boolean;
  /** What the text itself earns: readers and structure. */
  complaints: Complaint[];
  /** One entry for each manifest of the class (all manifests known to the hub when no class is given). */
  manifests: ManifestCheck[];
  name: string | null;
  graph: FlowGraph | null;
}
export interface ManifestCheck {
  manifest_hash: string;
  agent_type: string;
  agent_version: string | null;
  agents_total: number;
  complaints: Complaint[];
}

export interface FlowDiff {
  name: string;
  from: number;
  to: number;
  added_lines: number;
  removed_lines: number;
  /** The whole text, in the order of a unified diff; lines count from 1, null on the side where the line is not. */
  lines: DiffLine[];
}
export interface DiffLine {
  kind: "same" | "added" | "removed";
  from_line: number | null;
  to_line: number | null;
  text: string;
}

// -------------------------------------------------------------------------------------------------------------------- deployments

export interface DeployRequest {
  class: string;
  flow: string;
  version: number;
  /** Number of agents that the preview showed; deploying to a class that has another number now is refused with 409. Ignored by preview. */
  agents_expected?: number | null;
}

export interface DeployPreview {
  as_of_ms: number;
  class: string;
  flow: string;
  version: number;
  is_deployable: boolean;
  flow_current: FlowRef | null;
  agents_total: number;
  /** Of these, run this very version already. */
  agents_unchanged: number;
  agents_by_connectivity: Counts<Connectivity>;
  /** Up to 10 ids of agents that would change. */
  agents_sample: string[];
  complaints: Complaint[];
  manifests: ManifestCheck[];
}

export interface Deployment {
  as_of_ms: number;
  class: string;
  flow: string;
  version: number;
  author: string;
  deployed_ms: number;
  run_wanted: RunWanted | null;
  agents_total: number;
  agents_by_sync: Counts<Sync>;
  /** Failed agents grouped by reason, most first, at most 20. */
  failures: { reason: string; agents: number; agents_sample: string[] }[];
}

// ----------------------------------------------------------------------------------------------------------------- events, overview

export type EventKind =
  | "agent_registered" | "agent_online" | "agent_offline" | "agent_restarted"
  | "flow_pushed" | "flow_deployed" | "flow_applied" | "flow_failed" | "flow_refused"
  | "operation_created" | "operation_finished" | "bulletin"
  | "login" | "login_failed" | "logout" | "token_created" | "token_removed" | "hub_started" | "hub_stopped";

export interface FleetEvent {
  id: number;
  time_ms: number;
  kind: EventKind;
  severity: Severity;
  /** User who did it; null when it happened by itself. */
  actor: string | null;
  agent: string | null;
  class: string | null;
  flow: string | null;
  version: number | null;
  message: string;
}
export interface EventList {
  as_of_ms: number;
  items: FleetEvent[];
  /** Give it as `before` to see older ones; null at the end. */
  next_before: number | null;
}

export interface Overview {
  as_of_ms: number;
  agents_total: number;
  agents_by_connectivity: Counts<Connectivity>;
  agents_by_sync: Counts<Sync>;
  agents_by_health: Counts<Health>;
  /** Online now minus online an hour ago; null in the hub's first hour. */
  agents_online_change: number | null;
  in_records_per_s: number;
  in_bytes_per_s: number;
  out_records_per_s: number;
  out_bytes_per_s: number;
  queued_count: number;
  queued_bytes: number;
  queued_age_ms_max: number | null;
  /** Agents by what they report, most first, at most 20; version null: not in the catalog. */
  adoption: { flow: string; version: number | null; agents: number }[];
  /** One for each class that has a flow, by class, at most 100. */
  deployments: Deployment[];
  /** Newest first, at most 20, without logins. */
  events: FleetEvent[];
  hub: HubHealth;
}

export interface HubHealth {
  version: string;
  started_ms: number;
  heartbeats_per_s: number;
  /** 99th percentile of the time to answer a heartbeat, over the last minute; null without any. */
  heartbeat_ms_p99: number | null;
  memory_bytes: number;
  database_bytes: number;
}
