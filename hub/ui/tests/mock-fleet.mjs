// The made-up fleet of the mock hub: flows as texts, agents whose numbers move, deployments that take their time.

import { createHash } from "node:crypto";

export const missing = (what) => ({ status: 404, problem: "not-found", detail: `no ${what}` });

// ------------------------------------------------------------------------------------------------------------------ flows, as texts

const known_types = ["ConsumeMQTT", "PublishMQTT", "PublishKafka", "ConsumeKafka", "GenerateFlowFile", "LogAttribute", "RouteOnAttribute", "UpdateAttribute", "EvaluateJsonPath", "SplitText", "MergeContent", "ControlRate", "TailFile"];

const telemetry = `# Vehicle telemetry: from the bus on board to Kafka, fast vehicles first.
flow: vehicle-telemetry
parameters:
  broker: {value: "tcp://127.0.0.1:1883", doc: Where the vehicle bus is published}
  kafka:  {value: "127.0.0.1:9092"}
processors:
  bus:
    type: ConsumeMQTT
    properties: {Broker URI: "#{broker}", Topic: "vehicle/+/telemetry", Quality of Service: 1}
  read:
    type: EvaluateJsonPath
    properties: {Destination: flowfile-attribute, speed: "$.speed"}
    terminate: [unmatched]
  only-moving:
    type: RouteOnAttribute
    properties: {moving: "\${speed:gt(0)}"}
  to-kafka:
    type: PublishKafka
    properties: {Known Brokers: "#{kafka}", Topic Name: telemetry}
    terminate: [success]
  slow-down:
    type: ControlRate
    properties: {Maximum Rate: 10, Time Duration: 1 s}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {from: bus, to: read}
  - {from: read.matched, to: only-moving}
  - {from: read.failure, to: log}
  - {from: only-moving.moving, to: to-kafka, back_pressure: {count: 100000, size: 512 MB}, expire: 3 days}
  - {from: only-moving.unmatched, to: slow-down}
  - {from: slow-down, to: to-kafka}
  - {from: to-kafka.failure, to: to-kafka}
`;

export function graphOf(text) {
  const nodes = [];
  const edges = [];
  let section = "";
  for (const line of text.split("\n")) {
    const top = /^([a-z]+):/.exec(line);
    if (top) section = top[1];
    const node = /^ {2}([A-Za-z0-9_-]+):\s*$/.exec(line);
    if (section === "processors" && node) nodes.push({ id: `p-${node[1]}`, name: node[1], kind: "processor", type: "", group: [] });
    const type = /^\s+type:\s*(\S+)/.exec(line);
    if (section === "processors" && type && nodes.length) nodes[nodes.length - 1].type = type[1];
    const edge = /-\s*\{from:\s*([A-Za-z0-9_-]+)(?:\.([A-Za-z_-]+))?,\s*to:\s*([A-Za-z0-9_-]+)/.exec(line);
    if (edge) {
      const big = line.includes("100000");
      const relationship = edge[2] ?? "success";
      edges.push({ id: `c-${edge[1]}-${relationship}-${edge[3]}`, name: `${edge[1]}.${relationship} → ${edge[3]}`, from: `p-${edge[1]}`, to: `p-${edge[3]}`, relationships: [relationship], limit_count: big ? 100_000 : 10_000, limit_bytes: big ? 512e6 : 100e6 });
    }
  }
  return { nodes, edges };
}

function complain(text) {
  const found = [];
  const names = new Set(graphOf(text).nodes.map((node) => node.name));
  text.split("\n").forEach((line, index) => {
    const key = /^([A-Za-z_]+):/.exec(line);
    if (key && !["flow", "parameters", "processors", "connections"].includes(key[1])) found.push({ line: index + 1, column: 1, message: `unknown key \`${key[1]}\`; did you mean \`processors\`?` });
    const edge = /from:\s*([A-Za-z0-9_-]+).*to:\s*([A-Za-z0-9_-]+)/.exec(line);
    for (const name of edge ? [edge[1], edge[2]] : []) if (!names.has(name)) found.push({ line: index + 1, column: line.indexOf(name) + 1, message: `no processor is named \`${name}\`` });
  });
  if (!/^flow:\s*\S+/m.test(text)) found.push({ line: 1, column: 1, message: "the key `flow` is missing" });
  return found;
}

function complainForManifest(text) {
  const found = [];
  text.split("\n").forEach((line, index) => {
    const type = /^\s+type:\s*(\S+)/.exec(line);
    if (type && !known_types.includes(type[1])) found.push({ line: index + 1, column: line.indexOf(type[1]) + 1, message: `unknown processor \`${type[1]}\`; did you mean \`${known_types[0]}\`?` });
  });
  return found;
}

export function check(fleet, text, of_class) {
  const complaints = complain(text);
  const agents = fleet.agents.filter((agent) => !of_class || agent.class === of_class);
  const manifests = agents.length ? [{ manifest_hash: "9c1f0d2e77aa4b0b", agent_type: "runnel", agent_version: "0.1.0", agents_total: agents.length, complaints: complainForManifest(text) }] : [];
  const is_valid = complaints.length === 0 && manifests.every((manifest) => manifest.complaints.length === 0);
  return { is_valid, complaints, manifests, name: /^flow:\s*(\S+)/m.exec(text)?.[1] ?? null, graph: complaints.length ? null : graphOf(text) };
}

export function diff(flow, from, to) {
  const a = flow.versions[from - 1].text.trimEnd().split("\n");
  const b = flow.versions[to - 1].text.trimEnd().split("\n");
  const length = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const lines = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ kind: "same", from_line: ++i, to_line: ++j, text: a[i - 1] });
    else if (i < a.length && (j >= b.length || length[i + 1][j] >= length[i][j + 1])) lines.push({ kind: "removed", from_line: ++i, to_line: null, text: a[i - 1] });
    else lines.push({ kind: "added", from_line: null, to_line: ++j, text: b[j - 1] });
  }
  const of = (kind) => lines.filter((line) => line.kind === kind).length;
  return { name: flow.name, from, to, added_lines: of("added"), removed_lines: of("removed"), lines };
}

// -------------------------------------------------------------------------------------------------------------------------- fleet

const collator = new Intl.Collator("en", { numeric: true });

export function makeFleet(count) {
  const begun = Date.now();
  const hour = 3_600_000;
  const agents = Array.from({ length: count }, (_, index) => {
    const in_depot = count > 10 && index % 5 === 4;
    return {
      id: in_depot ? `depot-${index + 1}` : `truck-${index + 1}`,
      class: in_depot ? "depots" : "trucks",
      seed: ((index + 1) * 2_654_435_761) % 1000 / 1000,
      connectivity: count > 10 && index % 23 === 7 ? "offline" : count > 10 && index % 31 === 3 ? "late" : "online",
      reported: { name: "vehicle-telemetry", version: index % 3 === 2 ? 1 : 2 },
      desired: { name: "vehicle-telemetry", version: 2 },
      run: "running",
      stopped: new Set(),
      cleared_ms: begun - 600_000,
      failure: index % 3 === 2 ? "starting `to-kafka`: Known Brokers: `kafka-1:9092` cannot be resolved" : null,
      applying_at: null,
      operations: [],
      registered_ms: begun - 40 * hour - index * 60_000,
    };
  });
  agents.sort((a, b) => collator.compare(a.id, b.id));
  const v2 = telemetry.replace("Quality of Service: 1}", "Quality of Service: 1}\n    concurrent_tasks: 2").replace("fast vehicles first", "moving vehicles first").replace("Maximum Rate: 10,", "Maximum Rate: 50,");
  const fleet = {
    agents,
    sessions: new Map(),
    away_until: 0,
    events: [],
    next_event: 1,
    next_operation: 1,
    flows: new Map(),
    tokens: [],
    deployments: [{ class: "trucks", flow: "vehicle-telemetry", version: 2, author: "admin", deployed_ms: begun - 900_000 }],
    event(kind, severity, message, fields = {}) {
      fleet.events.unshift({ id: fleet.next_event++, time_ms: fields.time_ms ?? Date.now(), kind, severity, actor: null, agent: null, class: null, flow: null, version: null, message, ...fields });
    },
    tick: () => tick(fleet),
    list: (query) => listAgents(fleet, query),
    row: (agent) => agentRow(agent),
    detail: (agent) => agentDetail(fleet, agent),
    overview: () => overview(fleet, begun),
    classes: () => ["depots", "trucks"].filter((name) => agents.some((agent) => agent.class === name)).map((name) => classOf(fleet, name, begun)),
    metrics: (of, query) => metrics(of, query, agents.length),
    operate: (to, body, author) => operate(fleet, to, body, author),
    push: (body, author) => push(fleet, body, author),
    deploy: (body, author, is_preview) => deploy(fleet, body, author, is_preview),
    deployment: (each) => deploymentNow(fleet, each),
    flowRow: (flow) => flowRow(fleet, flow),
    versionRow: (flow, version) => versionRow(fleet, flow, version),
    eventPage(query) {
      let found = fleet.events.filter(
        (event) =>
          (!query.kind || query.kind.split(",").includes(event.kind)) &&
          (!query.severity || query.severity.split(",").includes(event.severity)) &&
          ["agent", "class", "flow"].every((key) => !query[key] || event[key] === query[key]) &&
          (!query.q || event.message.toLowerCase().includes(query.q.toLowerCase())) &&
          (!query.before || event.id < Number(query.before)) &&
          (!query.since || event.id > Number(query.since)),
      );
      const limit = Number(query.limit ?? 100);
      const rest = found.length > limit;
      found = found.slice(0, limit);
      return { as_of_ms: Date.now(), items: found, next_before: rest ? found[found.length - 1].id : null };
    },
  };
  const add = (name, texts) =>
    fleet.flows.set(name, {
      name,
      versions: texts.map(([text, message, author, created_ms], index) => ({ version: index + 1, text, message, author, created_ms, sha256: createHash("sha256").update(text).digest("hex"), size_bytes: text.length })),
    });
  add("vehicle-telemetry", [
    [telemetry, "First version: everything that moves", "admin", begun - 30 * hour],
    [v2, "Read the bus with two tasks, let more slow vehicles through", "mia", begun - hour],
  ]);
  add("tail-to-kafka", [["flow: tail-to-kafka\nprocessors:\n  tail:\n    type: TailFile\n  out:\n    type: PublishKafka\n    terminate: [success]\nconnections:\n  - {from: tail, to: out}\n", "Log files to Kafka", "admin", begun - 80 * hour]]);
  for (let index = 0; index < 320; index++) {
    const agent = agents[index % agents.length];
    fleet.event(index % 7 ? "agent_online" : "bulletin", index % 7 ? "info" : "warning", index % 7 ? "back after 2 min" : "PublishKafka: broker 127.0.0.1:9092 is away; 1,204 messages wait", { agent: agent.id, class: agent.class, time_ms: begun - (320 - index) * 60_000 });
  }
  fleet.event("flow_pushed", "info", "pushed: Read the bus with two tasks, let more slow vehicles through", { actor: "mia", flow: "vehicle-telemetry", version: 2, time_ms: begun - 950_000 });
  fleet.event("flow_deployed", "info", "deployed to class trucks", { actor: "admin", class: "trucks", flow: "vehicle-telemetry", version: 2, time_ms: begun - 900_000 });
  return fleet;
}

function tick(fleet) {
  const now = Date.now();
  for (const agent of fleet.agents) {
    if (agent.applying_at !== null && now > agent.applying_at + 3000) {
      agent.applying_at = null;
      const text = fleet.flows.get(agent.desired.name).versions[agent.desired.version - 1].text;
      if (text.includes("fails-at-start")) {
        agent.failure = "starting `fails-at-start`: address in use";
        fleet.event("flow_failed", "error", agent.failure, { agent: agent.id, class: agent.class, flow: agent.desired.name, version: agent.desired.version });
      } else {
        agent.reported = { ...agent.desired };
        agent.failure = null;
        fleet.event("flow_applied", "info", "applied", { agent: agent.id, class: agent.class, flow: agent.desired.name, version: agent.desired.version });
      }
    }
    for (const operation of agent.operations) {
      if (operation.state === "queued" && now > operation.created_ms + 1500) Object.assign(operation, { state: "delivered", delivered_ms: now });
      else if (operation.state === "delivered" && now > operation.delivered_ms + 1500) {
        Object.assign(operation, { state: "done", finished_ms: now });
        const { operation: verb, operand, target } = operation;
        if (operand === "flow") agent.run = verb === "stop" ? "stopped" : "running";
        if (operand === "processor" && verb !== "run_once") verb === "stop" ? agent.stopped.add(target) : agent.stopped.delete(target);
        if (operand === "connection") agent.cleared_ms = now;
        fleet.event("operation_finished", "info", `${verb} ${operand} done`, { agent: agent.id, class: agent.class });
      }
    }
  }
}

const syncOf = (agent) =>
  !agent.desired ? "unassigned"
  : agent.failure ? "failed"
  : agent.applying_at !== null ? (Date.now() > agent.applying_at ? "applying" : "pending")
  : agent.reported.name === agent.desired.name && agent.reported.version === agent.desired.version ? "in_sync"
  : "pending";

function pressure(agent) {
  // Every fourth agent's way to Kafka is slow: its queue fills.
  return agent.seed > 0.75;
}

function agentRow(agent) {
  const now = Date.now();
  const alive = agent.connectivity !== "offline" && agent.run === "running";
  const wave = alive ? 1 + 0.3 * Math.sin(now / 9000 + agent.seed * 6) + 0.05 * Math.random() : 0;
  const rate = 120 * (0.4 + agent.seed) * wave;
  const queued = pressure(agent) ? Math.min(10_000, Math.round((now - agent.cleared_ms) / 60)) : Math.round(40 * agent.seed * wave);
  const health = agent.connectivity === "offline" ? "unknown" : agent.run === "stopped" ? "stopped" : queued >= 10_000 ? "back_pressure" : agent.seed < 0.1 ? "degraded" : "ok";
  const interval = 5000;
  return {
    id: agent.id,
    name: agent.id,
    class: agent.class,
    hostname: `gw-${agent.id}`,
    connectivity: agent.connectivity,
    connectivity_reason: agent.connectivity === "offline" ? "no heartbeat for 14 minutes" : null,
    sync: syncOf(agent),
    sync_reason: agent.failure,
    health,
    health_reason: health === "back_pressure" ? "only-moving.unmatched → slow-down is full" : health === "degraded" ? "3 errors of to-kafka in the last 5 minutes" : null,
    flow_desired: agent.desired,
    flow_reported: agent.reported,
    registered_ms: agent.registered_ms,
    last_seen_ms: agent.connectivity === "offline" ? now - 840_000 : agent.connectivity === "late" ? now - 13_000 : now - ((now + agent.seed * interval) % interval),
    agent_type: "runnel",
    agent_version: "0.1.0",
    in_records_per_s: rate,
    in_bytes_per_s: rate * 268,
    out_records_per_s: rate * 0.92,
    out_bytes_per_s: rate * 0.92 * 268,
    queued_count: queued,
    queued_bytes: queued * 268,
    queued_age_ms_max: queued > 0 ? (pressure(agent) ? now - agent.cleared_ms : 240) : 0,
    cpu_percent: 2 + 4 * agent.seed * wave,
    memory_bytes: Math.round((16 + 9 * agent.seed) * 1_048_576),
    disk_used_bytes: Math.round((40 + 900 * agent.seed) * 1_048_576),
  };
}

function listAgents(fleet, query) {
  const rows = fleet.agents.map(agentRow);
  const q = (query.q ?? "").toLowerCase();
  const set = (key) => (query[key] ? query[key].split(",") : null);
  const wanted = Object.fromEntries(["class", "connectivity", "sync", "health"].map((key) => [key, set(key)]));
  const found = rows.filter(
    (row) =>
      (!q || `${row.id} ${row.hostname}`.toLowerCase().includes(q)) &&
      Object.entries(wanted).every(([key, values]) => !values || values.includes(row[key])) &&
      (!query.flow || row.flow_reported.name === query.flow) &&
      (!query.version || row.flow_reported.version === Number(query.version)),
  );
  const key = (query.sort ?? "id").replace("-", "");
  const sign = query.sort?.startsWith("-") ? -1 : 1;
  const value = (row) => (key === "flow" ? `${row.flow_reported?.name}@${row.flow_reported?.version}` : row[key]);
  // The fleet is made in the order of its ids.
  if (key === "id" && sign > 0) return found;
  return found.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return sign * (typeof x === "number" ? x - y : collator.compare(x, y));
  });
}

function agentDetail(fleet, agent) {
  const row = agentRow(agent);
  const version = fleet.flows.get(agent.reported.name)?.versions[agent.reported.version - 1];
  const graph = version ? graphOf(version.text) : null;
  const now = Date.now();
  const rate = row.in_records_per_s;
  const bulletins = Array.from({ length: agent.seed < 0.5 ? 6 : 2 }, (_, index) => ({
    id: 100 - index,
    time_ms: now - (index * 97_000 + (now % 60_000)),
    severity: index % 3 === 0 ? "error" : "warning",
    component_id: "p-to-kafka",
    component_name: "to-kafka",
    message: index % 3 === 0 ? "delivery of 312 messages failed: broker transport failure; they are tried again" : "broker 127.0.0.1:9092 is away",
  }));
  return {
    ...row,
    as_of_ms: now,
    device: { hostname: row.hostname, ip: "10.20.0.17", os: "Linux 6.1", arch: "aarch64", cpu_count: 4, cpu_percent: 18 + 6 * Math.sin(now / 7000), memory_total_bytes: 4_294_967_296, memory_used_bytes: 1_610_612_736, disk_total_bytes: 32e9, disk_free_bytes: 21e9, uptime_ms: 912_345_678, agent_started_ms: now - 8_123_000 },
    manifest_hash: "9c1f0d2e77aa4b0b5512",
    heartbeat_interval_ms: 5000,
    flow_run_state: agent.run,
    run_wanted: null,
    flow_sha256: version?.sha256 ?? null,
    flow_started_ms: now - 4_000_000,
    graph,
    processors: (graph?.nodes ?? []).map((node, index) => ({
      id: node.id,
      name: node.name,
      type: node.type,
      run_state: agent.run === "stopped" || agent.stopped.has(node.id) ? "stopped" : "running",
      in_records_per_s: index === 0 ? null : rate / (1 + index * 0.2),
      in_bytes_per_s: index === 0 ? null : (rate * 268) / (1 + index * 0.2),
      out_records_per_s: node.name === "log" ? null : rate / (1 + index * 0.25),
      out_bytes_per_s: node.name === "log" ? null : (rate * 268) / (1 + index * 0.25),
      tasks_active: index % 2,
      errors_total: node.name === "to-kafka" ? 12 : 0,
      error: node.name === "to-kafka" && agent.seed < 0.1 ? bulletins[0].message : null,
    })),
    queues: (graph?.edges ?? []).map((edge, index) => {
      const is_hot = pressure(agent) && edge.id.includes("slow-down") && edge.to === "p-slow-down";
      const queued = is_hot ? row.queued_count : Math.round((20 / (index + 1)) * (1 + Math.sin(now / 3000 + index)));
      return { id: edge.id, name: edge.name, queued_count: queued, queued_bytes: queued * 268, limit_count: edge.limit_count, limit_bytes: edge.limit_bytes, age_ms_max: queued ? (is_hot ? row.queued_age_ms_max : 120) : null, is_full: is_hot && queued >= edge.limit_count };
    }),
    ledger: { in: Math.round(now / 1000 - 1.79e9) + 4_000_000, out: 3_990_000, queued: row.queued_count, dropped_expired: 0, dropped_evicted: 0, dropped_auto_terminated: 8_123, dropped_removed: 0, dropped_quarantined: 0, is_balanced: true },
    bulletins,
    operations: agent.operations.slice(0, 20),
    operations_supported: ["start/flow", "stop/flow", "start/processor", "stop/processor", "run_once/processor", "clear/connection", "restart/agent", "describe/manifest"],
  };
}

const tally = (rows, key, words) => Object.fromEntries(words.map((word) => [word, rows.filter((row) => row[key] === word).length]));
const axes = (rows) => ({
  agents_by_connectivity: tally(rows, "connectivity", ["online", "late", "offline", "never_seen"]),
  agents_by_sync: tally(rows, "sync", ["in_sync", "pending", "applying", "failed", "unassigned"]),
  agents_by_health: tally(rows, "health", ["ok", "degraded", "back_pressure", "stopped", "unknown"]),
});

function adoption(agents) {
  const counts = new Map();
  for (const agent of agents) {
    const key = `${agent.reported.name}@${agent.reported.version}`;
    counts.set(key, { flow: agent.reported.name, version: agent.reported.version, agents: (counts.get(key)?.agents ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => b.agents - a.agents);
}

function overview(fleet, begun) {
  const rows = fleet.agents.map(agentRow);
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  return {
    as_of_ms: Date.now(),
    agents_total: rows.length,
    ...axes(rows),
    agents_online_change: rows.length > 10 ? -2 : null,
    in_records_per_s: sum("in_records_per_s"),
    in_bytes_per_s: sum("in_bytes_per_s"),
    out_records_per_s: sum("out_records_per_s"),
    out_bytes_per_s: sum("out_bytes_per_s"),
    queued_count: sum("queued_count"),
    queued_bytes: sum("queued_bytes"),
    queued_age_ms_max: rows.reduce((most, row) => Math.max(most, row.queued_age_ms_max), 0),
    adoption: adoption(fleet.agents),
    deployments: fleet.deployments.map((each) => deploymentNow(fleet, each)),
    events: fleet.events.filter((event) => !event.kind.startsWith("login")).slice(0, 20),
    hub: { version: "0.1.0-mock", started_ms: begun, heartbeats_per_s: rows.length / 5, heartbeat_ms_p99: 1.8, memory_bytes: 48_234_496, database_bytes: 9_437_184 },
  };
}

function classOf(fleet, name, created_ms) {
  const rows = fleet.agents.filter((agent) => agent.class === name).map(agentRow);
  const deployed = fleet.deployments.find((each) => each.class === name);
  return { name, created_ms, flow_desired: deployed ? { name: deployed.flow, version: deployed.version } : null, run_wanted: null, agents_total: rows.length, ...axes(rows) };
}

function metrics(of, query, agents) {
  const to_ms = Date.now();
  const from_ms = Number(query.from_ms ?? to_ms - 3_600_000);
  const step_ms = Math.max(5000, Number(query.step_ms ?? 12_000));
  const times_ms = [];
  for (let at = Math.ceil(from_ms / step_ms) * step_ms; at < to_ms; at += step_ms) times_ms.push(at);
  const scale = { in_records_per_s: 110, out_records_per_s: 102, in_bytes_per_s: 30_000, out_bytes_per_s: 27_000, queued_count: 900, queued_bytes: 240_000, queued_age_ms_max: 8000, cpu_percent: 4, memory_bytes: 2e7, disk_used_bytes: 4e8, agents_online: 1 };
  const factor = of === "fleet" || !of.includes("-") ? agents : 1;
  const series = {};
  for (const name of (query.series ?? Object.keys(scale).join()).split(",")) {
    const size = name.startsWith("dropped") ? (name.includes("expired") ? 0.4 : 0) : (scale[name] ?? 1);
    series[name] = times_ms.map((at, index) => (index % 97 > 93 ? null : size * factor * (1 + 0.25 * Math.sin(at / 240_000) + 0.08 * Math.sin(at / 17_000 + name.length))));
  }
  return { as_of_ms: to_ms, from_ms, to_ms, step_ms, times_ms, series };
}

function operate(fleet, agents, body, author) {
  const names = { processor: (target) => target?.replace("p-", ""), connection: (target) => target?.replace("c-", "") };
  const operations = agents.map((agent) => {
    const operation = { id: `o-${fleet.next_operation++}`, agent: agent.id, operation: body.operation, operand: body.operand, target: body.target ?? null, target_name: names[body.operand]?.(body.target) ?? null, state: "queued", detail: null, author, created_ms: Date.now(), delivered_ms: null, finished_ms: null, expires_ms: Date.now() + 3_600_000 };
    agent.operations.unshift(operation);
    return operation;
  });
  fleet.event("operation_created", "info", `${body.operation} ${body.operand}`, { actor: author, agent: agents.length === 1 ? agents[0].id : null, class: agents[0]?.class ?? null });
  return { created_count: operations.length, operations: operations.slice(0, 100) };
}

function push(fleet, body, author) {
  const { complaints, name } = check(fleet, body.text, null);
  if (complaints.length) return { status: 422, problem: "invalid", detail: `the flow has ${complaints.length} errors`, complaints };
  const flow = fleet.flows.get(name) ?? { name, versions: [] };
  fleet.flows.set(name, flow);
  const latest = flow.versions[flow.versions.length - 1];
  if (latest?.text === body.text) return { status: 200, body: { ...versionRow(fleet, flow, latest), name, is_new: false } };
  const version = { version: flow.versions.length + 1, text: body.text, message: body.message, author, created_ms: Date.now(), sha256: createHash("sha256").update(body.text).digest("hex"), size_bytes: body.text.length };
  flow.versions.push(version);
  fleet.event("flow_pushed", "info", `pushed: ${body.message}`, { actor: author, flow: name, version: version.version });
  return { status: 201, body: { ...versionRow(fleet, flow, version), name, is_new: true } };
}

function deploy(fleet, body, author, is_preview) {
  const flow = fleet.flows.get(body.flow);
  const version = flow?.versions.find((each) => each.version === body.version);
  if (!version) return missing(`version ${body.version} of ${body.flow}`);
  const agents = fleet.agents.filter((agent) => agent.class === body.class);
  const { manifests, complaints, is_valid } = check(fleet, version.text, body.class);
  const same = (agent) => agent.reported.name === body.flow && agent.reported.version === body.version;
  const current = fleet.deployments.find((each) => each.class === body.class);
  if (is_preview) {
    return {
      body: {
        as_of_ms: Date.now(),
        ...body,
        is_deployable: is_valid,
        flow_current: current ? { name: current.flow, version: current.version } : null,
        agents_total: agents.length,
        agents_unchanged: agents.filter(same).length,
        agents_by_connectivity: tally(agents, "connectivity", ["online", "late", "offline", "never_seen"]),
        agents_sample: agents.filter((agent) => !same(agent)).slice(0, 10).map((agent) => agent.id),
        complaints,
        manifests,
      },
    };
  }
  if (!is_valid) return { status: 422, problem: "invalid", detail: "some agents cannot run it", complaints: [...complaints, ...manifests.flatMap((manifest) => manifest.complaints)] };
  if (body.agents_expected != null && body.agents_expected !== agents.length) return { status: 409, problem: "target-changed", detail: `the class has ${agents.length} agents now` };
  const deployment = { class: body.class, flow: body.flow, version: body.version, author, deployed_ms: Date.now() };
  fleet.deployments = [...fleet.deployments.filter((each) => each.class !== body.class), deployment];
  for (const agent of agents) {
    agent.desired = { name: body.flow, version: body.version };
    agent.failure = null;
    if (agent.connectivity !== "offline") agent.applying_at = same(agent) ? null : Date.now() + 1000 + 1500 * agent.seed;
  }
  fleet.event("flow_deployed", "info", `deployed to class ${body.class}`, { actor: author, class: body.class, flow: body.flow, version: body.version });
  return { status: 201, body: deploymentNow(fleet, deployment) };
}

function deploymentNow(fleet, deployment) {
  const rows = fleet.agents.filter((agent) => agent.class === deployment.class).map(agentRow);
  const failed = rows.filter((row) => row.sync === "failed");
  const reasons = new Map();
  for (const row of failed) reasons.set(row.sync_reason, [...(reasons.get(row.sync_reason) ?? []), row.id]);
  return { as_of_ms: Date.now(), ...deployment, run_wanted: null, agents_total: rows.length, agents_by_sync: axes(rows).agents_by_sync, failures: [...reasons].map(([reason, ids]) => ({ reason, agents: ids.length, agents_sample: ids.slice(0, 10) })) };
}

function flowRow(fleet, flow) {
  const latest = flow.versions[flow.versions.length - 1];
  const classes = fleet.deployments.filter((each) => each.flow === flow.name).map((each) => ({ name: each.class, version: each.version }));
  const rows = fleet.agents.filter((agent) => classes.some((each) => each.name === agent.class)).map(agentRow);
  return {
    name: flow.name,
    version_latest: latest.version,
    versions_total: flow.versions.length,
    author: latest.author,
    message: latest.message,
    changed_ms: latest.created_ms,
    classes,
    agents_by_sync: axes(rows).agents_by_sync,
    agents_by_version: adoption(fleet.agents.filter((agent) => agent.reported.name === flow.name)).map(({ version, agents }) => ({ version, agents })),
  };
}

function versionRow(fleet, flow, version) {
  const { text: _text, ...row } = version;
  return { ...row, agents: fleet.agents.filter((agent) => agent.reported.name === flow.name && agent.reported.version === version.version).length };
}
