// Overview: is the fleet talking, does it run what was asked, do data flow, what is changing, what needs me.

import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { useMetrics, useOverview } from "../api/queries";
import type { Deployment, Overview } from "../api/types";
import { Badge } from "../parts/badge";
import { AgentCommand } from "../parts/agent-command";
import { EventFeed } from "../parts/event-feed";
import { Page } from "../parts/page";
import { Facts, Figure, Panel } from "../parts/panel";
import { Bar, ShareBar } from "../parts/share-bar";
import { Empty, Failed, Loading } from "../parts/states";
import { Ago } from "../parts/time";
import { byteRate, bytes, compact, count, counted, rate } from "../text/numbers";
import * as status from "../text/status";
import { duration } from "../text/times";
import { address, agentPath, flowPath } from "../url/state";

const Chart = lazy(() => import("../chart/chart"));

export function OverviewPage() {
  const overview = useOverview();
  if (!overview.data) {
    return (
      <Page title="Overview">
        {overview.error ? <Failed what="the overview" error={overview.error} retry={() => void overview.refetch()} /> : <Loading what="the fleet" />}
      </Page>
    );
  }
  const fleet = overview.data;
  return (
    <Page title="Overview" as_of_ms={fleet.as_of_ms}>
      {fleet.agents_total === 0 ? <FirstSteps /> : <Fleet fleet={fleet} />}
    </Page>
  );
}

function FirstSteps() {
  return (
    <Panel title="No agent has reported yet">
      <Empty title="Start an agent that knows this hub">
        <AgentCommand />
        <p>
          It appears here with its first heartbeat. Then <Link href="/push">push a flow</Link> and deploy it to the agent's class.
        </p>
      </Empty>
    </Panel>
  );
}

function Fleet({ fleet }: { fleet: Overview }) {
  const change = fleet.agents_online_change;
  return (
    <>
      <div className="grid three">
        <Panel title={<>Connectivity · {counted(fleet.agents_total, "agent")}</>}>
          <ShareBar
            label="Agents by connectivity"
            words={status.connectivity}
            counts={fleet.agents_by_connectivity}
            total={fleet.agents_total}
            to={(key) => address("/agents", { connectivity: key })}
            always={["online", "offline"]}
          />
          {change !== null && change !== 0 && (
            <p className="muted">
              {counted(Math.abs(change), "agent")} {change < 0 ? "fewer" : "more"} online than an hour ago
            </p>
          )}
        </Panel>
        <Panel title="Sync">
          <ShareBar label="Agents by sync" words={status.sync} counts={fleet.agents_by_sync} total={fleet.agents_total} to={(key) => address("/agents", { sync: key })} always={["in_sync", "failed"]} />
        </Panel>
        <Panel title="Flow health">
          <ShareBar label="Agents by flow health" words={status.health} counts={fleet.agents_by_health} total={fleet.agents_total} to={(key) => address("/agents", { health: key })} always={["ok", "back_pressure"]} />
        </Panel>
      </div>
      <Panel title="Throughput of the fleet">
        <div className="stack">
          <div className="figures">
            <Figure label="Records in" value={rate(fleet.in_records_per_s)} note={byteRate(fleet.in_bytes_per_s)} />
            <Figure label="Records out" value={rate(fleet.out_records_per_s)} note={byteRate(fleet.out_bytes_per_s)} />
            <Figure label="Queued" value={compact(fleet.queued_count)} note={bytes(fleet.queued_bytes)} />
            <Figure label="Oldest queued" value={duration(fleet.queued_age_ms_max)} />
          </div>
          <Throughput />
        </div>
      </Panel>
      <div className="grid two">
        <Panel title="Deployments">
          {fleet.deployments.length === 0 ? (
            <Empty title="Nothing is deployed">
              <Link href="/flows">Choose a flow</Link> and deploy it to a class.
            </Empty>
          ) : (
            <ul className="stack">
              {fleet.deployments.map((deployment) => (
                <DeploymentLine key={deployment.class} deployment={deployment} />
              ))}
            </ul>
          )}
        </Panel>
        <Panel title="Versions in the field">
          <Adoption adoption={fleet.adoption} />
        </Panel>
        <Panel title="Recent events" actions={<Link href="/events">All events</Link>}>
          <EventFeed events={fleet.events.slice(0, 12)} />
        </Panel>
        <Panel title="This hub">
          <Facts
            facts={[
              ["Version", fleet.hub.version],
              ["Started", <Ago ms={fleet.hub.started_ms} />],
              ["Heartbeats", rate(fleet.hub.heartbeats_per_s)],
              ["Heartbeat answered, 99 %", fleet.hub.heartbeat_ms_p99 === null ? "–" : `${fleet.hub.heartbeat_ms_p99.toFixed(1)} ms`],
              ["Memory", bytes(fleet.hub.memory_bytes)],
              ["Database", bytes(fleet.hub.database_bytes)],
            ]}
          />
        </Panel>
      </div>
    </>
  );
}

function Throughput() {
  const metrics = useMetrics({ fleet: true }, "1h", ["in_records_per_s", "out_records_per_s"]);
  if (!metrics.data) {
    return <div className="chart">{metrics.error ? <Failed what="the history" error={metrics.error} retry={() => void metrics.refetch()} /> : <Loading what="the history" />}</div>;
  }
  return (
    <Suspense fallback={<div className="chart" />}>
      <Chart label="Records per second, in and out, last hour" metrics={metrics.data} series={["in_records_per_s", "out_records_per_s"]} format={rate} height={170} />
    </Suspense>
  );
}

function DeploymentLine({ deployment }: { deployment: Deployment }) {
  const { failures } = deployment;
  const keys = Object.keys(status.sync) as (keyof typeof status.sync)[];
  return (
    <li>
      <div className="row apart">
        <span>
          <Link href={address("/agents", { class: deployment.class })}>{deployment.class}</Link> <span className="muted">is to run</span>{" "}
          <Link href={address(flowPath(deployment.flow), { tab: "status" })}>
            {deployment.flow} @ {deployment.version}
          </Link>
        </span>
        <span className="muted">
          <Ago ms={deployment.deployed_ms} /> by {deployment.author}
        </span>
      </div>
      <Bar
        label={`Sync of class ${deployment.class}`}
        parts={keys.map((key) => ({ key, tone: status.sync[key].tone, value: deployment.agents_by_sync[key] ?? 0 }))}
        total={deployment.agents_total}
      />
      <div className="adoption-parts">
        {keys
          .filter((key) => (deployment.agents_by_sync[key] ?? 0) > 0)
          .map((key) => (
            <Link key={key} href={address("/agents", { class: deployment.class, sync: key })}>
              <Badge said={{ ...status.sync[key], word: `${status.sync[key].word} ${count(deployment.agents_by_sync[key])}` }} quiet />
            </Link>
          ))}
        {deployment.agents_total === 0 && <span className="muted">no agent in this class yet</span>}
      </div>
      {failures.slice(0, 3).map((failure) => (
        <p key={failure.reason} className="muted">
          {counted(failure.agents, "agent")}: {failure.reason}{" "}
          {failure.agents_sample[0] && <Link href={agentPath(failure.agents_sample[0])}>{failure.agents_sample[0]}</Link>}
        </p>
      ))}
    </li>
  );
}

function Adoption({ adoption }: { adoption: Overview["adoption"] }) {
  const flows = new Map<string, Overview["adoption"]>();
  for (const part of adoption) flows.set(part.flow, [...(flows.get(part.flow) ?? []), part]);
  if (flows.size === 0) return <Empty title="No agent reports a flow yet" />;
  return (
    <ul className="adoption">
      {[...flows].map(([flow, parts]) => {
        const total = parts.reduce((sum, part) => sum + part.agents, 0);
        const newest_first = [...parts].sort((a, b) => (b.version ?? 0) - (a.version ?? 0));
        const word = (version: number | null) => (version === null ? "not in the catalog" : `version ${version}`);
        return (
          <li key={flow}>
            <div className="adoption-name">
              <Link href={flowPath(flow)}>{flow}</Link>
              <span className="muted">{counted(total, "agent")}</span>
            </div>
            <Bar label={`Versions of ${flow}`} parts={newest_first.map((part, index) => ({ key: word(part.version), tone: String((index % 5) + 1), value: part.agents }))} total={total} />
            <div className="adoption-parts">
              {newest_first.map((part, index) => (
                <Link key={word(part.version)} href={address("/agents", { flow, version: part.version })}>
                  <span className={`swatch bar-${(index % 5) + 1}`} aria-hidden="true" />
                  {word(part.version)}: {count(part.agents)}
                </Link>
              ))}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
