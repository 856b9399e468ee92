// Flows: the catalog.

import { Link } from "wouter";
import { useFlows } from "../api/queries";
import type { FlowRow } from "../api/types";
import { Badge } from "../parts/badge";
import { Search } from "../parts/filters";
import { Icon } from "../parts/icon";
import { Page } from "../parts/page";
import { Empty, Failed, Loading } from "../parts/states";
import { ExportButton, exportTable, Table, type Column } from "../parts/table";
import { Ago } from "../parts/time";
import { count } from "../text/numbers";
import * as status from "../text/status";
import { iso } from "../text/times";
import { address, flowPath, useUrlState } from "../url/state";

const defaults = { q: "", sort: "name" };

const versions = (flow: FlowRow) => flow.agents_by_version.map((part) => `${part.version ?? "?"}: ${count(part.agents)}`).join(", ");

const columns: Column<FlowRow>[] = [
  { id: "name", header: "Flow", width: 170, value: (flow) => flow.name, cell: (flow) => <Link href={flowPath(flow.name)}>{flow.name}</Link> },
  { id: "version_latest", header: "Latest", width: 74, number: true, value: (flow) => flow.version_latest, cell: (flow) => flow.version_latest },
  {
    id: "classes",
    header: "Deployed to",
    width: 150,
    value: (flow) => flow.classes.map((each) => `${each.name} @ ${each.version}`).join(", "),
    cell: (flow) => (flow.classes.length ? flow.classes.map((each) => `${each.name} @ ${each.version}`).join(", ") : <span className="muted">nowhere</span>),
  },
  {
    id: "sync",
    header: "Agents",
    width: 236,
    value: (flow) => Object.values(flow.agents_by_sync).reduce((sum, agents) => sum + agents, 0),
    cell: (flow) => (
      <span className="axes">
        {(Object.keys(status.sync) as (keyof typeof status.sync)[])
          .filter((key) => (flow.agents_by_sync[key] ?? 0) > 0)
          .map((key) => (
            <Link key={key} href={address("/agents", { class: flow.classes.map((each) => each.name).join(), sync: key })}>
              <Badge said={{ ...status.sync[key], word: `${status.sync[key].word} ${count(flow.agents_by_sync[key])}` }} />
            </Link>
          ))}
      </span>
    ),
  },
  { id: "versions", header: "Version: agents", width: 140, value: versions, cell: (flow) => <span title={versions(flow)}>{versions(flow) || <span className="muted">–</span>}</span> },
  { id: "changed_ms", header: "Last change", width: 96, number: true, value: (flow) => iso(flow.changed_ms), cell: (flow) => <Ago ms={flow.changed_ms} /> },
  { id: "author", header: "By", width: 84, value: (flow) => flow.author, cell: (flow) => flow.author },
  { id: "message", header: "Message", width: 190, value: (flow) => flow.message, cell: (flow) => <span title={flow.message}>{flow.message}</span> },
];

export function FlowsPage() {
  const [state, change] = useUrlState(defaults);
  const flows = useFlows();
  const rows = (flows.data?.items ?? []).filter((flow) => flow.name.toLowerCase().includes(state.q.toLowerCase()));
  return (
    <Page
      title="Flows"
      as_of_ms={flows.data?.as_of_ms}
      fill
      actions={
        <Link href="/push" className="button primary">
          <Icon name="plus" />
          New flow
        </Link>
      }
    >
      {!flows.data ? (
        flows.error ? <Failed what="the flows" error={flows.error} retry={() => void flows.refetch()} /> : <Loading what="flows" />
      ) : flows.data.items.length === 0 ? (
        <Empty title="The catalog is empty">
          <p>
            <Link href="/push">Write a flow here</Link>, or push a file: <code className="unbroken">runnelctl flows push FILE --message TEXT</code>
          </p>
        </Empty>
      ) : (
        <>
          <div className="filters">
            <Search label="Name" value={state.q} onChange={(q) => change({ q })} />
            <span style={{ marginInlineStart: "auto" }}>
              <ExportButton onExport={() => exportTable("flows", columns, rows)} />
            </span>
          </div>
          <Table label="Flows" columns={columns} rows={rows} rowKey={(flow) => flow.name} sort={state.sort} onSort={(sort) => change({ sort })} empty={<Empty title="No flow of that name" />} />
        </>
      )}
    </Page>
  );
}
