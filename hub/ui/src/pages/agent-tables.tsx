// The tables of an agent's page: processors, queues, bulletins, operations.

import { useAgentOperations } from "../api/queries";
import type { AgentDetail, Bulletin, Operation, ProcessorStatus, QueueStatus } from "../api/types";
import { fullness } from "../canvas/fullness";
import { Badge } from "../parts/badge";
import { isSupported, type Ask } from "../parts/operate";
import { Panel } from "../parts/panel";
import { Empty, Failed, Loading } from "../parts/states";
import { ExportButton, exportTable, Table, type Column } from "../parts/table";
import { Ago, At } from "../parts/time";
import { byteRate, bytes, count, rate } from "../text/numbers";
import * as status from "../text/status";
import { duration, iso } from "../text/times";

interface Props {
  agent: AgentDetail;
  onAsk: (ask: Ask) => void;
  sort: string;
  onSort: (sort: string) => void;
}

function processorColumns({ agent, onAsk }: Props): Column<ProcessorStatus>[] {
  const button = (processor: ProcessorStatus, operation: "start" | "stop") => {
    const body = { operation, operand: "processor", target: processor.id } as const;
    return (
      <button
        type="button"
        className="small"
        aria-label={`${operation} ${processor.name}`}
        disabled={!isSupported(agent, body) || processor.run_state === (operation === "start" ? "running" : "stopped")}
        onClick={() => onAsk({ body, name: processor.name })}
      >
        {operation === "start" ? "Start" : "Stop"}
      </button>
    );
  };
  return [
    { id: "name", header: "Processor", width: 150, value: (each) => each.name, cell: (each) => each.name },
    { id: "type", header: "Type", width: 142, value: (each) => each.type, cell: (each) => each.type },
    { id: "run_state", header: "State", width: 110, value: (each) => each.run_state, cell: (each) => <Badge said={status.said(status.runState, each.run_state)} /> },
    { id: "in", header: "In", width: 76, number: true, value: (each) => each.in_records_per_s, cell: (each) => rate(each.in_records_per_s) },
    { id: "out", header: "Out", width: 76, number: true, value: (each) => each.out_records_per_s, cell: (each) => rate(each.out_records_per_s) },
    { id: "in_bytes", header: "In, bytes", width: 96, number: true, value: (each) => each.in_bytes_per_s, cell: (each) => byteRate(each.in_bytes_per_s) },
    { id: "out_bytes", header: "Out, bytes", width: 96, number: true, value: (each) => each.out_bytes_per_s, cell: (each) => byteRate(each.out_bytes_per_s) },
    { id: "tasks", header: "Tasks", width: 58, number: true, value: (each) => each.tasks_active, cell: (each) => count(each.tasks_active) },
    { id: "errors", header: "Errors", width: 62, number: true, value: (each) => each.errors_total, cell: (each) => count(each.errors_total) },
    { id: "error", header: "Newest error", width: 180, value: (each) => each.error, cell: (each) => (each.error ? <span className="tone-bad" title={each.error}>{each.error}</span> : null) },
    {
      id: "do",
      header: "",
      width: 130,
      fixed: true,
      value: () => null,
      cell: (each) => (
        <span className="axes">
          {button(each, "start")}
          {button(each, "stop")}
        </span>
      ),
    },
  ];
}

export function Processors(props: Props) {
  const columns = processorColumns(props);
  return (
    <Panel title="Processors" className="flush" actions={<ExportButton onExport={() => exportTable(`${props.agent.id}-processors`, columns, props.agent.processors)} />}>
      <Table
        label="Processors"
        columns={columns}
        rows={props.agent.processors}
        rowKey={(each) => each.id}
        sort={columns.some((column) => column.id === props.sort.replace("-", "")) ? props.sort : ""}
        onSort={props.onSort}
        height_max={420}
        empty={props.agent.flow_reported ? <Empty title="The agent has not reported its processors" /> : <Empty title="The agent runs no flow">Deploy one to its class.</Empty>}
      />
    </Panel>
  );
}

function queueColumns({ agent, onAsk }: Props): Column<QueueStatus>[] {
  return [
    { id: "queue", header: "Connection", width: 240, value: (each) => each.name, cell: (each) => <span title={each.name}>{each.name}</span> },
    { id: "queued_count", header: "Queued", width: 96, number: true, value: (each) => each.queued_count, cell: (each) => count(each.queued_count) },
    { id: "limit_count", header: "of", width: 90, number: true, value: (each) => each.limit_count, cell: (each) => (each.limit_count ? count(each.limit_count) : "no limit") },
    { id: "queued_bytes", header: "Size", width: 96, number: true, value: (each) => each.queued_bytes, cell: (each) => bytes(each.queued_bytes) },
    { id: "limit_bytes", header: "of", width: 90, number: true, value: (each) => each.limit_bytes, cell: (each) => (each.limit_bytes ? bytes(each.limit_bytes) : "no limit") },
    {
      id: "full",
      header: "Full",
      width: 150,
      value: (each) => fullness(each),
      cell: (each) =>
        each.is_full ? (
          <Badge said={{ word: "Full, holds back", icon: "stack", tone: "bad", meaning: "" }} />
        ) : (
          <span className="muted">{Math.floor(fullness(each) * 100)} %</span>
        ),
    },
    { id: "age_ms_max", header: "Oldest", width: 100, number: true, value: (each) => each.age_ms_max, cell: (each) => duration(each.age_ms_max) },
    {
      id: "do",
      header: "",
      width: 90,
      fixed: true,
      value: () => null,
      cell: (each) => {
        const body = { operation: "clear", operand: "connection", target: each.id } as const;
        return (
          <button
            type="button"
            className="small danger"
            aria-label={`Clear ${each.name}`}
            disabled={!isSupported(agent, body) || each.queued_count === 0}
            onClick={() => onAsk({ body, name: each.name, queued_count: each.queued_count })}
          >
            Clear …
          </button>
        );
      },
    },
  ];
}

export function Queues(props: Props) {
  const columns = queueColumns(props);
  return (
    <Panel title="Connections" className="flush" actions={<ExportButton onExport={() => exportTable(`${props.agent.id}-connections`, columns, props.agent.queues)} />}>
      <Table
        label="Connections"
        columns={columns}
        rows={props.agent.queues}
        rowKey={(each) => each.id}
        sort={columns.some((column) => column.id === props.sort.replace("-", "")) ? props.sort : ""}
        onSort={props.onSort}
        height_max={420}
        empty={<Empty title={props.agent.flow_reported ? "The flow has no connections, or the agent has not reported them" : "The agent runs no flow"} />}
      />
    </Panel>
  );
}

const bulletinColumns: Column<Bulletin>[] = [
  { id: "time", header: "Time", width: 176, value: (each) => iso(each.time_ms), cell: (each) => <At ms={each.time_ms} /> },
  { id: "severity", header: "Severity", width: 100, value: (each) => each.severity, cell: (each) => <Badge said={status.said(status.severity, each.severity)} quiet={each.severity === "info"} /> },
  { id: "component", header: "Component", width: 170, value: (each) => each.component_name, cell: (each) => each.component_name ?? <span className="muted">agent</span> },
  { id: "message", header: "Message", width: 620, value: (each) => each.message, cell: (each) => <span title={each.message}>{each.message}</span> },
];

export function Bulletins({ agent, sort, onSort }: Props) {
  return (
    <Panel title="Bulletins" className="flush" actions={<ExportButton onExport={() => exportTable(`${agent.id}-bulletins`, bulletinColumns, agent.bulletins)} />}>
      <Table
        label="Bulletins"
        columns={bulletinColumns}
        rows={agent.bulletins}
        rowKey={(each) => each.id}
        sort={sort || "-time"}
        onSort={onSort}
        height_max={620}
        empty={<Empty title="No bulletins">The agent has nothing to complain about.</Empty>}
      />
    </Panel>
  );
}

const operationColumns: Column<Operation>[] = [
  { id: "created", header: "Asked", width: 110, value: (each) => iso(each.created_ms), cell: (each) => <Ago ms={each.created_ms} /> },
  { id: "what", header: "Operation", width: 170, value: status.operationText, cell: status.operationText },
  { id: "target", header: "Of", width: 210, value: (each) => each.target_name ?? each.target, cell: (each) => each.target_name ?? each.target ?? <span className="muted">–</span> },
  { id: "state", header: "State", width: 120, value: (each) => each.state, cell: (each) => <Badge said={status.said(status.operationState, each.state)} reason={each.detail} /> },
  { id: "author", header: "By", width: 100, value: (each) => each.author, cell: (each) => each.author },
  { id: "delivered", header: "Delivered", width: 110, value: (each) => iso(each.delivered_ms), cell: (each) => (each.delivered_ms ? <Ago ms={each.delivered_ms} /> : <span className="muted">–</span>) },
  { id: "finished", header: "Finished", width: 110, value: (each) => iso(each.finished_ms), cell: (each) => (each.finished_ms ? <Ago ms={each.finished_ms} /> : <span className="muted">–</span>) },
  { id: "detail", header: "Detail", width: 320, value: (each) => each.detail, cell: (each) => <span title={each.detail ?? undefined}>{each.detail}</span> },
];

export function Operations({ agent, sort, onSort }: Props) {
  const operations = useAgentOperations(agent.id);
  const rows = operations.data?.items ?? [];
  return (
    <Panel title="Operations" className="flush" actions={<ExportButton onExport={() => exportTable(`${agent.id}-operations`, operationColumns, rows)} />}>
      {!operations.data ? (
        operations.error ? <Failed what="the operations" error={operations.error} retry={() => void operations.refetch()} /> : <Loading what="operations" />
      ) : (
        <Table
          label="Operations"
          columns={operationColumns}
          rows={rows}
          rowKey={(each) => each.id}
          sort={sort || "-created"}
          onSort={onSort}
          height_max={620}
          empty={<Empty title="Nothing has been asked of this agent">Deploy a flow to its class, or use Operate above.</Empty>}
        />
      )}
    </Panel>
  );
}
