// Agent: what one machine at the edge is doing, and what can be asked of it.

import { lazy, Suspense, useCallback, useState } from "react";
import { Link } from "wouter";
import { useAgent } from "../api/queries";
import type { AgentDetail } from "../api/types";
import { Badge } from "../parts/badge";
import { Menu, MenuItem, MenuLine } from "../parts/menu";
import { ConfirmOperation, isSupported, type Ask } from "../parts/operate";
import { Page } from "../parts/page";
import { Facts, Figure, Panel } from "../parts/panel";
import { Failed, Loading, Notice } from "../parts/states";
import { Tabs, type Tab } from "../parts/tabs";
import { Ago } from "../parts/time";
import { byteRate, bytes, compact, count, percent, rate } from "../text/numbers";
import * as status from "../text/status";
import { duration } from "../text/times";
import { address, agentPath, flowPath, useUrlState } from "../url/state";
import { Bulletins, Operations, Processors, Queues } from "./agent-tables";
import { Charts } from "./charts";
import { Selected } from "./agent-selected";

const Canvas = lazy(() => import("../canvas/canvas"));

const defaults = { tab: "live", selected: "", range: "1h", sort: "" };

export function AgentPage({ id }: { id: string }) {
  const [state, change] = useUrlState(defaults);
  const [ask, setAsk] = useState<Ask | null>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const query = useAgent(id);
  const agent = query.data;
  const select = useCallback((selected: string) => change({ selected }), [change]);
  const trail = [{ label: "Agents", to: "/agents" }];

  if (!agent) {
    return (
      <Page title={id} trail={trail}>
        {query.error ? <Failed what={`agent ${id}`} error={query.error} retry={() => void query.refetch()} /> : <Loading what={`agent ${id}`} />}
      </Page>
    );
  }
  const last_operation = asked === null ? undefined : agent.operations.find((operation) => operation.id === asked);
  const tables = { agent, onAsk: setAsk, sort: state.sort, onSort: (sort: string) => change({ sort }) };
  const tabs: Tab[] = [
    { id: "live", label: "Live", content: () => <Live agent={agent} selected={state.selected} onSelect={select} onAsk={setAsk} /> },
    {
      id: "components",
      label: "Processors and queues",
      content: () => (
        <>
          <Processors {...tables} />
          <Queues {...tables} />
        </>
      ),
    },
    { id: "metrics", label: "Metrics", content: () => <Charts of={{ agent: id }} range={state.range} onRange={(range) => change({ range })} system /> },
    { id: "bulletins", label: `Bulletins${agent.bulletins.length ? ` (${agent.bulletins.length})` : ""}`, content: () => <Bulletins {...tables} /> },
    { id: "operations", label: "Operations", content: () => <Operations {...tables} /> },
    { id: "device", label: "Device", content: () => <Device agent={agent} /> },
  ];
  return (
    <Page
      title={agent.id}
      heading={
        <>
          {agent.id}
          {agent.name !== agent.id && <span className="muted"> {agent.name}</span>}
        </>
      }
      trail={trail}
      as_of_ms={agent.as_of_ms}
      actions={<Actions agent={agent} onAsk={setAsk} />}
    >
      <Head agent={agent} />
      {last_operation && (
        <Notice tone={last_operation.state === "failed" ? "bad" : last_operation.state === "done" ? "ok" : "info"}>
          {status.operationText(last_operation)} {last_operation.target_name ?? ""}: {status.operationState[last_operation.state].word.toLowerCase()}
          {last_operation.detail ? ` — ${last_operation.detail}` : ""} <Link href={address(agentPath(id), { tab: "operations" })}>All operations</Link>
        </Notice>
      )}
      <Tabs label="Parts of the agent" tabs={tabs} active={state.tab} onChange={(tab) => change({ tab, sort: "" }, { push: true })} />
      {ask && (
        <ConfirmOperation
          ask={ask}
          to={{ agent: id }}
          onClose={(operations) => {
            setAsk(null);
            if (operations?.[0]) setAsked(operations[0].id);
          }}
        />
      )}
    </Page>
  );
}

function Actions({ agent, onAsk }: { agent: AgentDetail; onAsk: (ask: Ask) => void }) {
  const item = (ask: Ask, text: string) => (
    <MenuItem disabled={!isSupported(agent, ask.body)} onSelect={() => onAsk(ask)}>
      {text}
    </MenuItem>
  );
  return (
    <>
      <Link href={address("/events", { agent: agent.id })} className="button">
        Events
      </Link>
      <Menu label="Operate" icon="settings">
        {item({ body: { operation: "start", operand: "flow" } }, "Start the flow")}
        {item({ body: { operation: "stop", operand: "flow" } }, "Stop the flow")}
        <MenuLine />
        {item({ body: { operation: "describe", operand: "manifest" } }, "Ask for the manifest")}
        {item({ body: { operation: "describe", operand: "corecomponentstate" } }, "Ask what components remember")}
        {item({ body: { operation: "restart", operand: "agent" } }, "Restart the agent")}
      </Menu>
    </>
  );
}

function Head({ agent }: { agent: AgentDetail }) {
  const { flow_reported: reported, flow_desired: desired, ledger } = agent;
  const is_stopped_by_wish = agent.health === "stopped" && agent.run_wanted?.state === "stopped";
  const reasons = [agent.connectivity_reason, agent.sync_reason, is_stopped_by_wish ? null : agent.health_reason].filter(Boolean);
  return (
    <section className="panel" aria-label="Summary">
      <div className="panel-body stack">
        <div className="row apart">
          <div className="axes">
            <Badge said={status.said(status.connectivity, agent.connectivity)} reason={agent.connectivity_reason} />
            <Badge said={status.said(status.sync, agent.sync)} reason={agent.sync_reason} />
            <Badge said={status.said(status.health, agent.health)} reason={agent.health_reason} />
          </div>
          <span className="sentence">
            <span className="muted">class</span> <Link href={address("/agents", { class: agent.class })}>{agent.class}</Link> <span className="muted">· runs</span>{" "}
            {reported ? (
              <Link href={address(flowPath(reported.name), { v: reported.version })}>
                {reported.name} @ {reported.version ?? "not in the catalog"}
              </Link>
            ) : (
              "no flow"
            )}{" "}
            <span className="muted">· should run</span>{" "}
            {desired ? (
              <Link href={address(flowPath(desired.name), { v: desired.version })}>
                {desired.name} @ {desired.version}
              </Link>
            ) : (
              "what it has"
            )}{" "}
            <span className="muted">
              · last seen <Ago ms={agent.last_seen_ms} />
            </span>
          </span>
        </div>
        {reasons.length > 0 && (
          <Notice tone={agent.sync === "failed" || agent.connectivity === "offline" ? "bad" : "warn"}>
            {reasons.map((reason) => (
              <p key={reason}>{reason}</p>
            ))}
          </Notice>
        )}
        {agent.run_wanted?.state === "stopped" && (
          <Notice tone="info">
            The flow is to stand still: {agent.run_wanted.author} stopped {agent.run_wanted.is_of_agent ? "this agent" : <>class {agent.class}</>} <Ago ms={agent.run_wanted.asked_ms} />.
          </Notice>
        )}
        <div className="figures">
          <Figure label="Records in" value={rate(agent.in_records_per_s)} note={byteRate(agent.in_bytes_per_s)} />
          <Figure label="Records out" value={rate(agent.out_records_per_s)} note={byteRate(agent.out_bytes_per_s)} />
          <Figure label="Queued" value={count(agent.queued_count)} note={bytes(agent.queued_bytes)} />
          <Figure label="Oldest queued" value={duration(agent.queued_age_ms_max)} />
          <Figure label="CPU" value={percent(agent.cpu_percent)} />
          <Figure label="Memory" value={bytes(agent.memory_bytes)} />
          {ledger && (
            <Figure
              label="Loss ledger"
              value={<Badge said={ledger.is_balanced ? { word: "Balanced", icon: "check", tone: "ok", meaning: "in = out + queued + dropped" } : { word: "Does not balance", icon: "cross", tone: "bad", meaning: "in ≠ out + queued + dropped" }} />}
              note={`${compact(lost(ledger))} lost of ${compact(ledger.in)}`}
            />
          )}
        </div>
      </div>
    </section>
  );
}

/** Auto-terminated is no loss: the flow says that it ends there. */
const lost = (ledger: NonNullable<AgentDetail["ledger"]>) =>
  ledger.dropped_expired + ledger.dropped_evicted + ledger.dropped_removed + ledger.dropped_quarantined;

function Live({ agent, selected, onSelect, onAsk }: { agent: AgentDetail; selected: string; onSelect: (id: string) => void; onAsk: (ask: Ask) => void }) {
  if (!agent.graph) {
    return (
      <>
        {agent.flow_reported && <Notice tone="info">The text of this flow is not in the catalog, so that it cannot be drawn. Its processors and queues:</Notice>}
        <Processors agent={agent} onAsk={onAsk} sort="" onSort={() => undefined} />
        <Queues agent={agent} onAsk={onAsk} sort="" onSort={() => undefined} />
      </>
    );
  }
  return (
    <div className={`live-split${selected ? " chosen" : ""}`}>
      {/* Together: what is chosen is scrolled to, and the canvas must have its height by then. */}
      <Suspense fallback={<Loading what="the canvas" />}>
        <Panel title={`${agent.flow_reported?.name ?? "Flow"} · ${agent.flow_run_state}`} className="flush">
          <Canvas label={`Flow of ${agent.id}`} graph={agent.graph} processors={agent.processors} queues={agent.queues} selected={selected} onSelect={onSelect} />
        </Panel>
        {selected && <Selected key={selected} agent={agent} id={selected} onAsk={onAsk} onClose={() => onSelect("")} />}
      </Suspense>
    </div>
  );
}

function Device({ agent }: { agent: AgentDetail }) {
  const { device, ledger } = agent;
  return (
    <div className="grid two">
      <Panel title="Device">
        <Facts
          facts={[
            ["Host", device.hostname ?? "–"],
            ["Address", device.ip ?? "–"],
            ["System", device.os ?? "–"],
            ["Architecture", device.arch ?? "–"],
            ["Processors", count(device.cpu_count)],
            ["CPU, whole device", percent(device.cpu_percent)],
            ["Memory", `${bytes(device.memory_used_bytes)} of ${bytes(device.memory_total_bytes)}`],
            ["Disk free", `${bytes(device.disk_free_bytes)} of ${bytes(device.disk_total_bytes)}`],
            ["Device up", duration(device.uptime_ms)],
          ]}
        />
      </Panel>
      <Panel title="Agent">
        <Facts
          facts={[
            ["Type", agent.agent_type],
            ["Version", agent.agent_version ?? "–"],
            ["Registered", <Ago ms={agent.registered_ms} />],
            ["Started", <Ago ms={device.agent_started_ms} />],
            ["Heartbeat every", duration(agent.heartbeat_interval_ms)],
            ["Flow started", <Ago ms={agent.flow_started_ms} />],
            ["Manifest", <code>{agent.manifest_hash?.slice(0, 16) ?? "–"}</code>],
            ["Flow's checksum", <code>{agent.flow_sha256?.slice(0, 16) ?? "–"}</code>],
          ]}
        />
      </Panel>
      {ledger && (
        <Panel title="Loss ledger, since the state directory began">
          <Facts
            facts={[
              ["In", count(ledger.in)],
              ["Out", count(ledger.out)],
              ["Queued", count(ledger.queued)],
              ["Dropped: expired", count(ledger.dropped_expired)],
              ["Dropped: evicted by a full queue", count(ledger.dropped_evicted)],
              ["Dropped: auto-terminated", count(ledger.dropped_auto_terminated)],
              ["Dropped: removed by an operator", count(ledger.dropped_removed)],
              ["Dropped: quarantined", count(ledger.dropped_quarantined)],
              ["In = out + queued + dropped", ledger.is_balanced ? "yes" : "no"],
            ]}
          />
        </Panel>
      )}
    </div>
  );
}
