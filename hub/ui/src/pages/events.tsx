// Events: what happened in the fleet and who did it.

import { useMemo } from "react";
import { Link } from "wouter";
import { useEventFeed } from "../api/event-feed";
import { useClasses, useFlows } from "../api/queries";
import type { FleetEvent } from "../api/types";
import { Badge } from "../parts/badge";
import { Chip, Choice, Search, StateFilter } from "../parts/filters";
import { Page } from "../parts/page";
import { Empty, Failed, Loading } from "../parts/states";
import { ExportButton, exportTable, Table, type Column } from "../parts/table";
import { At } from "../parts/time";
import { counted } from "../text/numbers";
import * as status from "../text/status";
import { iso } from "../text/times";
import { agentPath, flowPath, useUrlState } from "../url/state";

const defaults = { q: "", kind: "", severity: "", agent: "", class: "", flow: "" };

export const eventColumns: Column<FleetEvent>[] = [
  { id: "time", header: "Time", width: 172, fixed: true, value: (event) => iso(event.time_ms), cell: (event) => <At ms={event.time_ms} /> },
  {
    id: "severity",
    header: "Severity",
    width: 96,
    fixed: true,
    value: (event) => event.severity,
    cell: (event) => <Badge said={status.said(status.severity, event.severity)} quiet={event.severity === "info"} />,
  },
  { id: "kind", header: "What", width: 150, fixed: true, value: (event) => event.kind, cell: (event) => status.eventKinds[event.kind] ?? event.kind },
  { id: "message", header: "Message", width: 330, fixed: true, value: (event) => event.message, cell: (event) => <span title={event.message}>{event.message}</span> },
  {
    id: "agent",
    header: "Agent",
    width: 120,
    fixed: true,
    value: (event) => event.agent,
    cell: (event) => (event.agent ? <Link href={agentPath(event.agent)}>{event.agent}</Link> : null),
  },
  { id: "class", header: "Class", width: 86, fixed: true, value: (event) => event.class, cell: (event) => event.class },
  {
    id: "flow",
    header: "Flow",
    width: 150,
    fixed: true,
    value: (event) => (event.flow ? `${event.flow} @ ${event.version ?? "?"}` : null),
    cell: (event) =>
      event.flow ? (
        <Link href={flowPath(event.flow)}>
          {event.flow}
          {event.version === null ? "" : ` @ ${event.version}`}
        </Link>
      ) : null,
  },
  { id: "actor", header: "By", width: 84, fixed: true, value: (event) => event.actor, cell: (event) => event.actor ?? <span className="muted">–</span> },
];

export function EventsPage() {
  const [state, change] = useUrlState(defaults);
  const feed = useEventFeed(state);
  const classes = useClasses();
  const flows = useFlows();
  const items = useMemo(() => feed.data?.items ?? [], [feed.data]);
  const is_filtered = Object.values(state).some((value) => value !== "");
  const clear = () => change(defaults);

  return (
    <Page title="Events" as_of_ms={feed.data?.as_of_ms} fill>
      <div className="filters" role="search" aria-label="Filter events">
        <Search label="Part of the message" value={state.q} onChange={(q) => change({ q })} />
        <StateFilter label="Severity" words={status.severity} value={state.severity} onChange={(severity) => change({ severity })} />
        <StateFilter label="What" words={status.eventKinds} value={state.kind} onChange={(kind) => change({ kind })} />
        <Choice label="Class" any="All classes" value={state.class} options={classes.data?.items.map((each) => each.name) ?? []} onChange={(value) => change({ class: value })} />
        <Choice label="Flow" any="All flows" value={state.flow} options={flows.data?.items.map((each) => each.name) ?? []} onChange={(flow) => change({ flow })} />
        {state.agent && <Chip onRemove={() => change({ agent: "" })}>{`agent ${state.agent}`}</Chip>}
        {is_filtered && (
          <button type="button" className="plain" onClick={clear}>
            Clear
          </button>
        )}
        <span className="row" style={{ marginInlineStart: "auto" }}>
          {feed.data && <span className="muted">{counted(items.length, "event")} shown</span>}
          {feed.data && feed.data.next_before !== null && (
            <button type="button" className="small" onClick={() => void feed.older()} disabled={feed.is_fetching_older}>
              {feed.is_fetching_older ? "Loading …" : "Load older"}
            </button>
          )}
          <ExportButton onExport={() => exportTable("events", eventColumns, items)} />
        </span>
      </div>
      {!feed.data ? (
        feed.error ? <Failed what="the events" error={feed.error} retry={() => void feed.refetch()} /> : <Loading what="events" />
      ) : (
        <Table
          label="Events"
          columns={eventColumns}
          rows={items}
          rowKey={(event) => event.id}
          sort=""
          onSort={() => undefined}
          empty={is_filtered ? <Empty title="No event matches"><button type="button" onClick={clear}>Show all events</button></Empty> : <Empty title="Nothing has happened yet" />}
        />
      )}
    </Page>
  );
}
