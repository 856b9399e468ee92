// The processor or connection that is chosen on the canvas: what it does now, and what can be done with it.

import { useEffect, useRef } from "react";
import type { AgentDetail } from "../api/types";
import { Badge } from "../parts/badge";
import { Icon } from "../parts/icon";
import { isSupported, type Ask } from "../parts/operate";
import { Facts, Panel } from "../parts/panel";
import { Empty, Notice } from "../parts/states";
import { byteRate, bytes, count, rate } from "../text/numbers";
import * as status from "../text/status";
import { duration } from "../text/times";

interface Props {
  agent: AgentDetail;
  id: string;
  onAsk: (ask: Ask) => void;
  onClose: () => void;
}

export function Selected(props: Props) {
  const { agent, id } = props;
  const node = agent.graph?.nodes.find((each) => each.id === id);
  const edge = agent.graph?.edges.find((each) => each.id === id);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const title = node?.name ?? edge?.name ?? "Not in this flow";
  return (
    <div ref={place}>
      <Panel
        title={title}
        actions={
          <button type="button" className="plain small" aria-label="Close" onClick={props.onClose}>
            <Icon name="close" />
          </button>
        }
      >
        {node ? <Processor {...props} /> : edge ? <Connection {...props} /> : <Empty title="The flow has no such component any more" />}
      </Panel>
    </div>
  );
}

function Processor({ agent, id, onAsk }: Props) {
  const node = agent.graph!.nodes.find((each) => each.id === id)!;
  const now = agent.processors.find((each) => each.id === id);
  const bulletins = agent.bulletins.filter((bulletin) => bulletin.component_id === id).slice(0, 5);
  const button = (operation: "start" | "stop" | "run_once", text: string, is_possible = true) => {
    const body = { operation, operand: "processor", target: id } as const;
    return (
      <button type="button" disabled={!is_possible || !isSupported(agent, body)} onClick={() => onAsk({ body, name: node.name })}>
        <Icon name={operation === "stop" ? "stop" : "play"} size={12} />
        {text}
      </button>
    );
  };
  return (
    <div className="stack">
      <Facts
        facts={[
          ["Type", node.type || node.kind.replace("_", " ")],
          ["State", now ? <Badge said={status.said(status.runState, now.run_state)} /> : "–"],
          ["In", rate(now?.in_records_per_s)],
          ["Out", rate(now?.out_records_per_s)],
          ["In, bytes", byteRate(now?.in_bytes_per_s)],
          ["Out, bytes", byteRate(now?.out_bytes_per_s)],
          ["Tasks now", count(now?.tasks_active)],
          ["Errors", count(now?.errors_total)],
        ]}
      />
      {now?.error && <Notice tone="bad">{now.error}</Notice>}
      {node.kind === "processor" && (
        <div className="row">
          {button("start", "Start")}
          {button("stop", "Stop")}
          {button("run_once", "Run once", now?.run_state === "stopped")}
        </div>
      )}
      {bulletins.length > 0 && (
        <ul className="complaints">
          {bulletins.map((bulletin) => (
            <li key={bulletin.id}>
              <Badge said={status.said(status.severity, bulletin.severity)} quiet />
              <span>{bulletin.message}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Connection({ agent, id, onAsk }: Props) {
  const edge = agent.graph!.edges.find((each) => each.id === id)!;
  const queue = agent.queues.find((each) => each.id === id);
  const name = (node_id: string) => agent.graph!.nodes.find((node) => node.id === node_id)?.name ?? node_id;
  const body = { operation: "clear", operand: "connection", target: id } as const;
  return (
    <div className="stack">
      <Facts
        facts={[
          ["From", name(edge.from)],
          ["To", name(edge.to)],
          ["Relationships", edge.relationships.join(", ") || "–"],
          ["Queued", queue ? `${count(queue.queued_count)} of ${limit(edge.limit_count, count)}` : "–"],
          ["Queued, bytes", queue ? `${bytes(queue.queued_bytes)} of ${limit(edge.limit_bytes, bytes)}` : "–"],
          ["Oldest", duration(queue?.age_ms_max)],
        ]}
      />
      {queue?.is_full && <Notice tone="warn">The queue is full: what feeds it waits until it empties.</Notice>}
      <div className="row">
        <button
          type="button"
          className="danger"
          disabled={!isSupported(agent, body) || !queue || queue.queued_count === 0}
          onClick={() => onAsk({ body, name: edge.name, ...(queue ? { queued_count: queue.queued_count } : {}) })}
        >
          Clear …
        </button>
      </div>
    </div>
  );
}

const limit = (value: number, say: (value: number) => string) => (value === 0 ? "no limit" : say(value));
