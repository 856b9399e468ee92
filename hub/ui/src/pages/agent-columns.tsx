// The columns of the table of agents.

import { Link } from "wouter";
import type { AgentRow, FlowRef } from "../api/types";
import { Badge } from "../parts/badge";
import type { Column } from "../parts/table";
import { Ago } from "../parts/time";
import { bytes, compact, count, percent } from "../text/numbers";
import * as status from "../text/status";
import { duration, iso } from "../text/times";
import { agentPath, flowPath } from "../url/state";

const flowText = (flow: FlowRef | null) => (flow ? `${flow.name} @ ${flow.version ?? "?"}` : "");

function FlowCell({ agent }: { agent: AgentRow }) {
  const { flow_reported: reported, flow_desired: desired } = agent;
  if (!reported) return <span className="muted">{desired ? `none → ${flowText(desired)}` : "none"}</span>;
  const differs = desired && (desired.name !== reported.name || desired.version !== reported.version);
  return (
    <>
      <Link href={flowPath(reported.name)}>{flowText(reported)}</Link>
      {differs && <span className="muted">→{desired.name === reported.name ? desired.version : flowText(desired)}</span>}
    </>
  );
}

export const agentColumns: Column<AgentRow>[] = [
  {
    id: "id",
    header: "Agent",
    width: 124,
    value: (agent) => agent.id,
    cell: (agent) => (
      <>
        <Link href={agentPath(agent.id)}>{agent.id}</Link>
        {agent.name !== agent.id && <span className="muted"> {agent.name}</span>}
      </>
    ),
  },
  { id: "class", header: "Class", width: 84, value: (agent) => agent.class, cell: (agent) => agent.class },
  {
    id: "connectivity",
    header: "Connectivity",
    width: 108,
    value: (agent) => agent.connectivity,
    cell: (agent) => <Badge said={status.said(status.connectivity, agent.connectivity)} reason={agent.connectivity_reason} />,
  },
  { id: "sync", header: "Sync", width: 100, value: (agent) => agent.sync, cell: (agent) => <Badge said={status.said(status.sync, agent.sync)} reason={agent.sync_reason} /> },
  { id: "health", header: "Flow health", width: 152, value: (agent) => agent.health, cell: (agent) => <Badge said={status.said(status.health, agent.health)} reason={agent.health_reason} /> },
  { id: "flow", header: "Flow", width: 202, value: (agent) => flowText(agent.flow_reported), cell: (agent) => <FlowCell agent={agent} /> },
  { id: "last_seen_ms", header: "Last seen", width: 100, number: true, value: (agent) => iso(agent.last_seen_ms), cell: (agent) => <Ago ms={agent.last_seen_ms} /> },
  { id: "in_records_per_s", header: "In /s", width: 64, number: true, value: (agent) => agent.in_records_per_s, cell: (agent) => compact(agent.in_records_per_s) },
  { id: "out_records_per_s", header: "Out /s", width: 66, number: true, value: (agent) => agent.out_records_per_s, cell: (agent) => compact(agent.out_records_per_s) },
  { id: "queued_count", header: "Queued", width: 76, number: true, value: (agent) => agent.queued_count, cell: (agent) => count(agent.queued_count) },
  { id: "queued_age_ms_max", header: "Oldest", width: 108, number: true, value: (agent) => agent.queued_age_ms_max, cell: (agent) => duration(agent.queued_age_ms_max) },
  { id: "cpu_percent", header: "CPU", width: 70, number: true, value: (agent) => agent.cpu_percent, cell: (agent) => percent(agent.cpu_percent) },
  { id: "memory_bytes", header: "Memory", width: 86, number: true, value: (agent) => agent.memory_bytes, cell: (agent) => bytes(agent.memory_bytes) },
  { id: "disk_used_bytes", header: "Disk", width: 86, number: true, value: (agent) => agent.disk_used_bytes, cell: (agent) => bytes(agent.disk_used_bytes) },
  { id: "queued_bytes", header: "Queued size", width: 96, number: true, value: (agent) => agent.queued_bytes, cell: (agent) => bytes(agent.queued_bytes) },
  { id: "in_bytes_per_s", header: "In bytes /s", width: 96, number: true, value: (agent) => agent.in_bytes_per_s, cell: (agent) => bytes(agent.in_bytes_per_s) },
  { id: "out_bytes_per_s", header: "Out bytes /s", width: 98, number: true, value: (agent) => agent.out_bytes_per_s, cell: (agent) => bytes(agent.out_bytes_per_s) },
  { id: "hostname", header: "Host", width: 140, fixed: true, value: (agent) => agent.hostname, cell: (agent) => agent.hostname ?? <span className="muted">–</span> },
  { id: "version", header: "Agent version", width: 130, fixed: true, value: (agent) => `${agent.agent_type} ${agent.agent_version ?? ""}`.trim(), cell: (agent) => `${agent.agent_type} ${agent.agent_version ?? ""}` },
  { id: "registered_ms", header: "Registered", width: 96, number: true, value: (agent) => iso(agent.registered_ms), cell: (agent) => <Ago ms={agent.registered_ms} /> },
];

/** Shown until a person chooses others. */
export const agentColumnsShown =
  "id,class,connectivity,sync,health,flow,last_seen_ms,in_records_per_s,out_records_per_s,queued_count,queued_age_ms_max";

/** Exported only: why a state is what it is. */
export const agentReasons: Column<AgentRow>[] = [
  { id: "desired", header: "Desired flow", width: 0, hidden: true, value: (agent) => flowText(agent.flow_desired), cell: () => null },
  { id: "sync_reason", header: "Sync reason", width: 0, hidden: true, value: (agent) => agent.sync_reason, cell: () => null },
  { id: "health_reason", header: "Health reason", width: 0, hidden: true, value: (agent) => agent.health_reason, cell: () => null },
];
