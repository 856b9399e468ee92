// Flow: one flow of the catalog: where it runs, its versions, its text and how it changed, its picture, whether agents can run it.

import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { useClasses, useFlow, useFlowDiff, useFlowStatus, useFlowVersion, useVersionCheck } from "../api/queries";
import type { FlowDetail, VersionRow } from "../api/types";
import { CodeView } from "../flowtext/code-view";
import { DiffView } from "../flowtext/diff-view";
import { Complaints } from "../parts/complaints";
import { Choice } from "../parts/filters";
import { Icon } from "../parts/icon";
import { Page } from "../parts/page";
import { Panel } from "../parts/panel";
import { Empty, Failed, Loading, Notice } from "../parts/states";
import { ExportButton, exportTable, Table, type Column } from "../parts/table";
import { Tabs, type Tab } from "../parts/tabs";
import { Ago, At } from "../parts/time";
import { bytes, count, counted } from "../text/numbers";
import { save } from "../text/csv";
import { iso } from "../text/times";
import { address, flowPath, useUrlState } from "../url/state";
import { Charts } from "./charts";
import { ClassStatus } from "./class-status";

const Canvas = lazy(() => import("../canvas/canvas"));

const defaults = { tab: "status", v: "", from: "", to: "", class: "", line: "", selected: "", sort: "-version", range: "1h" };
type State = typeof defaults;
type Change = (patch: Partial<State>, options?: { push?: boolean }) => void;

export default function FlowPage({ name }: { name: string }) {
  const [state, change] = useUrlState(defaults);
  const query = useFlow(name);
  const flow = query.data;
  const trail = [{ label: "Flows", to: "/flows" }];
  if (!flow) {
    return (
      <Page title={name} trail={trail}>
        {query.error ? <Failed what={`flow ${name}`} error={query.error} retry={() => void query.refetch()} /> : <Loading what={`flow ${name}`} />}
      </Page>
    );
  }
  const version = Number(state.v) || flow.version_latest;
  const parts = { flow, version, state, change };
  const tabs: Tab[] = [
    { id: "status", label: "Status", content: () => <Status {...parts} /> },
    { id: "versions", label: `Versions (${flow.versions_total})`, content: () => <Versions {...parts} /> },
    { id: "text", label: "Text", content: () => <Text {...parts} /> },
    { id: "diff", label: "Changes", content: () => <Changes {...parts} /> },
    { id: "canvas", label: "Canvas", content: () => <Picture {...parts} /> },
    { id: "check", label: "Check", content: () => <Check {...parts} /> },
    { id: "metrics", label: "Metrics", content: () => <Charts of={{ flow: name }} range={state.range} onRange={(range) => change({ range })} /> },
  ];
  return (
    <Page
      title={name}
      trail={trail}
      as_of_ms={flow.as_of_ms}
      actions={
        <>
          <Link href={`${flowPath(name)}/push`} className="button">
            <Icon name="plus" />
            New version
          </Link>
          <Link href={address(`${flowPath(name)}/deploy`, { v: version })} className="button primary">
            <Icon name="send" />
            Deploy …
          </Link>
        </>
      }
    >
      <Tabs label="Parts of the flow" tabs={tabs} active={state.tab} onChange={(tab) => change({ tab, selected: "", line: "" }, { push: true })} />
    </Page>
  );
}

interface Part {
  flow: FlowDetail;
  version: number;
  state: State;
  change: Change;
}

function VersionChoice({ flow, version, onChange, label = "Version" }: { flow: FlowDetail; version: number; onChange: (version: string) => void; label?: string }) {
  return (
    <label className="row">
      {label}
      <select value={version} onChange={(event) => onChange(event.target.value)}>
        {!flow.versions.some((each) => each.version === version) && <option value={version}>{version} · not in the catalog</option>}
        {flow.versions.map((each) => (
          <option key={each.version} value={each.version}>
            {each.version} · {each.message.slice(0, 60)}
          </option>
        ))}
      </select>
    </label>
  );
}

function Status({ flow }: Part) {
  const deployments = useFlowStatus(flow.name);
  if (!deployments.data) return deployments.error ? <Failed what="the status" error={deployments.error} retry={() => void deployments.refetch()} /> : <Loading what="the status" />;
  if (deployments.data.items.length === 0) {
    return (
      <Panel title="Deployments">
        <Empty title="This flow is deployed nowhere">
          <p>
            <Link href={`${flowPath(flow.name)}/deploy`}>Deploy it</Link> to a class of agents.
          </p>
        </Empty>
      </Panel>
    );
  }
  return (
    <>
      {deployments.data.items.map((deployment) => (
        <ClassStatus key={deployment.class} deployment={deployment} latest={flow.version_latest} />
      ))}
    </>
  );
}

function Versions({ flow, state, change }: Part) {
  const path = flowPath(flow.name);
  const columns: Column<VersionRow>[] = [
    { id: "version", header: "Version", width: 80, number: true, value: (each) => each.version, cell: (each) => <Link href={address(path, { tab: "text", v: each.version })}>{each.version}</Link> },
    { id: "message", header: "Message", width: 320, value: (each) => each.message, cell: (each) => <span title={each.message}>{each.message}</span> },
    { id: "author", header: "By", width: 100, value: (each) => each.author, cell: (each) => each.author },
    { id: "created_ms", header: "Pushed", width: 100, number: true, value: (each) => iso(each.created_ms), cell: (each) => <Ago ms={each.created_ms} /> },
    { id: "agents", header: "Agents", width: 76, number: true, value: (each) => each.agents, cell: (each) => <Link href={address("/agents", { flow: flow.name, version: each.version })}>{count(each.agents)}</Link> },
    { id: "size_bytes", header: "Size", width: 80, number: true, value: (each) => each.size_bytes, cell: (each) => bytes(each.size_bytes) },
    { id: "sha256", header: "SHA-256", width: 120, value: (each) => each.sha256, cell: (each) => <code title={each.sha256}>{each.sha256.slice(0, 12)}</code> },
    {
      id: "do",
      header: "",
      width: 264,
      fixed: true,
      value: () => null,
      cell: (each) => (
        <span className="axes">
          {each.version > 1 && (
            <Link href={address(path, { tab: "diff", from: each.version - 1, to: each.version })} className="button small">
              Changes
            </Link>
          )}
          <Link href={address(path, { tab: "canvas", v: each.version })} className="button small">
            Canvas
          </Link>
          <Link href={address(`${path}/deploy`, { v: each.version })} className="button small">
            Deploy …
          </Link>
        </span>
      ),
    },
  ];
  return (
    <Panel title="Versions" className="flush" actions={<ExportButton onExport={() => exportTable(`${flow.name}-versions`, columns, flow.versions)} />}>
      <Table label="Versions" columns={columns} rows={flow.versions} rowKey={(each) => each.version} sort={state.sort} onSort={(sort) => change({ sort })} height_max={640} empty={<Empty title="No version" />} />
    </Panel>
  );
}

function Text({ flow, version, state, change }: Part) {
  const query = useFlowVersion(flow.name, version);
  const row = query.data;
  return (
    <Panel
      className="flush"
      title={
        row ? (
          <>
            Version {row.version} · {row.message} <span className="muted">by {row.author}, <At ms={row.created_ms} /></span>
          </>
        ) : (
          `Version ${version}`
        )
      }
      actions={
        <>
          <VersionChoice flow={flow} version={version} onChange={(v) => change({ v, line: "" })} />
          {row && (
            <button type="button" className="small" onClick={() => save(`${flow.name}-${row.version}.yaml`, row.text, "application/yaml")}>
              <Icon name="download" size={13} />
              YAML
            </button>
          )}
        </>
      }
    >
      {row ? (
        <CodeView label={`Text of version ${row.version}`} text={row.text} at={Number(state.line) || 0} />
      ) : query.error ? (
        <Failed what={`version ${version}`} error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Loading what="the text" />
      )}
    </Panel>
  );
}

function Changes({ flow, version, state, change }: Part) {
  const to = Number(state.to) || version;
  const from = Number(state.from) || Math.max(1, to - 1);
  const query = useFlowDiff(flow.name, from, to);
  return (
    <Panel
      className="flush"
      title={query.data && from !== to ? `${counted(query.data.added_lines, "line")} added, ${query.data.removed_lines} removed` : "Changes"}
      actions={
        <>
          <VersionChoice label="From" flow={flow} version={from} onChange={(value) => change({ from: value })} />
          <button type="button" className="small" aria-label="Swap the versions" onClick={() => change({ from: String(to), to: String(from) })}>
            ⇄
          </button>
          <VersionChoice label="to" flow={flow} version={to} onChange={(value) => change({ to: value })} />
        </>
      }
    >
      {from === to ? (
        flow.versions_total === 1 ? <Empty title="There is only one version yet" /> : <Empty title="One and the same version">Choose two different ones.</Empty>
      ) : query.data ? (
        <DiffView key={`${from}/${to}`} diff={query.data} />
      ) : query.error ? (
        <Failed what="the changes" error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Loading what="the changes" />
      )}
    </Panel>
  );
}

function Picture({ flow, version, state, change }: Part) {
  const query = useFlowVersion(flow.name, version);
  return (
    <Panel className="flush" title={`Version ${version}`} actions={<VersionChoice flow={flow} version={version} onChange={(v) => change({ v })} />}>
      {query.data ? (
        <Suspense fallback={<Loading what="the canvas" />}>
          <Canvas key={version} label={`Flow ${flow.name}, version ${version}`} graph={query.data.graph} selected={state.selected} onSelect={(selected) => change({ selected })} />
        </Suspense>
      ) : query.error ? (
        <Failed what={`version ${version}`} error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Loading what="the canvas" />
      )}
    </Panel>
  );
}

function Check({ flow, version, state, change }: Part) {
  const classes = useClasses();
  const [all, setAll] = useState(false);
  const check = useVersionCheck(flow.name, version, state.class);
  return (
    <Panel
      title={`Check of version ${version}`}
      actions={
        <>
          <Choice label="Class" any="All agents" value={state.class} options={classes.data?.items.map((each) => each.name) ?? []} onChange={(value) => change({ class: value })} />
          <VersionChoice flow={flow} version={version} onChange={(v) => change({ v })} />
        </>
      }
    >
      {!check.data ? (
        check.error ? <Failed what="the check" error={check.error} retry={() => void check.refetch()} /> : <Loading what="the check" />
      ) : (
        <div className="stack">
          {check.data.is_valid ? (
            <Notice tone="ok">The text is valid, and every agent {state.class ? `of class ${state.class}` : "known to this hub"} can run it.</Notice>
          ) : (
            <Notice tone="bad">This version cannot be released {state.class ? `to class ${state.class}` : "to all agents"}.</Notice>
          )}
          <Complaints complaints={check.data.complaints} onGo={(complaint) => change({ tab: "text", line: String(complaint.line) }, { push: true })} />
          {check.data.manifests.length === 0 && <p className="muted">No agent has sent its manifest yet: only the text itself was checked.</p>}
          {check.data.manifests
            .filter((manifest) => all || manifest.complaints.length > 0)
            .map((manifest) => (
              <section key={manifest.manifest_hash} className="stack" aria-label={`Manifest ${manifest.manifest_hash.slice(0, 12)}`}>
                <h2>
                  {manifest.agent_type} {manifest.agent_version} · {counted(manifest.agents_total, "agent")} <code className="muted">{manifest.manifest_hash.slice(0, 12)}</code>
                </h2>
                {manifest.complaints.length === 0 ? (
                  <p className="tone-ok">
                    <Icon name="check" size={13} /> can run it
                  </p>
                ) : (
                  <Complaints complaints={manifest.complaints} onGo={(complaint) => change({ tab: "text", line: String(complaint.line) }, { push: true })} />
                )}
              </section>
            ))}
          {!all && check.data.manifests.some((manifest) => manifest.complaints.length === 0) && (
            <p>
              <button type="button" className="small" onClick={() => setAll(true)}>
                Show {counted(check.data.manifests.filter((manifest) => manifest.complaints.length === 0).length, "manifest")} that can run it
              </button>
            </p>
          )}
        </div>
      )}
    </Panel>
  );
}
