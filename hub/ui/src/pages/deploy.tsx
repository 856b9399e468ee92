// Deploy: which version goes to which class, and who is hit, before it is done.

import { Link, useLocation } from "wouter";
import { HubError } from "../api/client";
import { useClasses, useDeploy, useFlow, usePreview } from "../api/queries";
import type { DeployPreview } from "../api/types";
import { Complaints } from "../parts/complaints";
import { Icon } from "../parts/icon";
import { Page } from "../parts/page";
import { Panel } from "../parts/panel";
import { ShareBar } from "../parts/share-bar";
import { Empty, errorText, Failed, Loading, Notice } from "../parts/states";
import { count, counted } from "../text/numbers";
import * as status from "../text/status";
import { address, agentPath, flowPath, useUrlState } from "../url/state";

const defaults = { v: "", class: "" };

export default function DeployPage({ name }: { name: string }) {
  const [state, change] = useUrlState(defaults);
  const flow = useFlow(name);
  const classes = useClasses();
  const trail = [
    { label: "Flows", to: "/flows" },
    { label: name, to: flowPath(name) },
  ];
  if (!flow.data || !classes.data) {
    const error = flow.error ?? classes.error;
    return (
      <Page title={`Deploy ${name}`} trail={trail}>
        {error ? <Failed what={flow.error ? `flow ${name}` : "the classes"} error={error} retry={() => void (flow.error ? flow : classes).refetch()} /> : <Loading what={`flow ${name}`} />}
      </Page>
    );
  }
  const version = Number(state.v) || flow.data.version_latest;
  const names = classes.data.items.map((each) => each.name);
  return (
    <Page title={`Deploy ${name}`} trail={trail}>
      <Panel title="What, and to whom">
        <div className="row deploy-what">
          <label className="field">
            <span>Version</span>
            <select value={version} onChange={(event) => change({ v: event.target.value })}>
              {flow.data.versions.map((each) => (
                <option key={each.version} value={each.version}>
                  {each.version} · {each.message.slice(0, 70)}
                </option>
              ))}
            </select>
          </label>
          <label className="field">
            <span>Class</span>
            <input type="text" list="classes" placeholder="Class of agents" pattern="[A-Za-z0-9._\-]{1,64}" value={state.class} onChange={(event) => change({ class: event.target.value })} />
            <datalist id="classes">
              {names.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
          </label>
          {names.length > 0 && (
            <div className="axes" role="group" aria-label="Known classes">
              {classes.data.items.slice(0, 12).map((each) => (
                <button key={each.name} type="button" className={`small${each.name === state.class ? " filter-on" : ""}`} aria-pressed={each.name === state.class} onClick={() => change({ class: each.name })}>
                  {each.name} <span className="muted">{each.agents_total}</span>
                </button>
              ))}
            </div>
          )}
        </div>
      </Panel>
      {/^[A-Za-z0-9._-]{1,64}$/.test(state.class) ? (
        <Preview key={`${state.class}/${version}`} class_name={state.class} flow={name} version={version} is_new_class={!names.includes(state.class)} />
      ) : (
        <Panel title="Who is hit">
          <Empty title={state.class === "" ? "Choose a class" : "A class is named with 1 to 64 of A–Z a–z 0–9 . _ -"} />
        </Panel>
      )}
    </Page>
  );
}

function Preview({ class_name, flow, version, is_new_class }: { class_name: string; flow: string; version: number; is_new_class: boolean }) {
  const preview = usePreview({ class: class_name, flow, version });
  const deploy = useDeploy();
  const [, navigate] = useLocation();
  if (!preview.data) {
    return <Panel title="Who is hit">{preview.error ? <Failed what="the preview" error={preview.error} retry={() => void preview.refetch()} /> : <Loading what="the preview" />}</Panel>;
  }
  const hit = preview.data;
  const changing = hit.agents_total - hit.agents_unchanged;
  return (
    <Panel title="Who is hit">
      <div className="stack">
        <Summary hit={hit} changing={changing} is_new_class={is_new_class} />
        {hit.agents_total > 0 && <ShareBar label="Agents that are hit" words={status.connectivity} counts={hit.agents_by_connectivity} total={hit.agents_total} />}
        {hit.agents_sample.length > 0 && (
          <p>
            <span className="muted">For example: </span>
            {hit.agents_sample.map((id) => (
              <span key={id}>
                <Link href={agentPath(id)}>{id}</Link>{" "}
              </span>
            ))}
          </p>
        )}
        {!hit.is_deployable && <Notice tone="bad">It cannot be deployed: some agents of this class could not run it.</Notice>}
        <Complaints complaints={hit.complaints} />
        {hit.manifests.map((manifest) => (
          <section key={manifest.manifest_hash} className="stack">
            <p>
              {manifest.complaints.length === 0 ? (
                <span className="tone-ok">
                  <Icon name="check" size={13} /> can run it:
                </span>
              ) : (
                <span className="tone-bad">
                  <Icon name="cross" size={13} /> cannot run it:
                </span>
              )}{" "}
              {counted(manifest.agents_total, "agent")} ({manifest.agent_type} {manifest.agent_version}) <code className="muted">{manifest.manifest_hash.slice(0, 12)}</code>
            </p>
            <Complaints complaints={manifest.complaints} />
          </section>
        ))}
        {deploy.error && (
          <Notice tone="bad">
            {deploy.error instanceof HubError && deploy.error.is("target-changed") ? "The class has changed since this preview. Look at it again, then deploy." : errorText(deploy.error)}
          </Notice>
        )}
        <div className="row">
          <button
            type="button"
            className="primary"
            disabled={!hit.is_deployable || deploy.isPending}
            onClick={() =>
              deploy.mutate(
                { class: class_name, flow, version, agents_expected: hit.agents_total },
                { onSuccess: () => navigate(address(flowPath(flow))), onError: () => void preview.refetch() },
              )
            }
          >
            <Icon name="send" />
            {deploy.isPending ? "Deploying …" : hit.agents_total === 0 ? `Deploy version ${version} to class ${class_name}` : `Deploy version ${version} to ${counted(hit.agents_total, "agent")} of ${class_name}`}
          </button>
          <Link href={flowPath(flow)} className="button">
            Cancel
          </Link>
        </div>
      </div>
    </Panel>
  );
}

function Summary({ hit, changing, is_new_class }: { hit: DeployPreview; changing: number; is_new_class: boolean }) {
  const current = hit.flow_current;
  return (
    <p>
      {is_new_class
        ? `The class “${hit.class}” does not exist yet: it is created, and agents that come to it get this version.`
        : hit.agents_total === 0
          ? "The class has no agent now. Agents that come to it get this version."
          : `${counted(changing, "agent")} of ${count(hit.agents_total)} will change${hit.agents_unchanged ? `, ${count(hit.agents_unchanged)} ${hit.agents_unchanged === 1 ? "runs" : "run"} this version already` : ""}.`}{" "}
      {current && (
        <span className="muted">
          The class runs {current.name} @ {current.version} now
          {current.name === hit.flow && current.version !== null && current.version !== hit.version && (
            <>
              : <Link href={address(flowPath(hit.flow), { tab: "diff", from: current.version, to: hit.version })}>what changes</Link>
            </>
          )}
          .
        </span>
      )}
    </p>
  );
}
