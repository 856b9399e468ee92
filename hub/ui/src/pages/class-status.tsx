// How far a deployment has come in its class, why agents failed, and start and stop for all of them.

import { useState } from "react";
import { Link } from "wouter";
import type { Deployment } from "../api/types";
import { Menu, MenuItem } from "../parts/menu";
import { ConfirmOperation, type Ask } from "../parts/operate";
import { Panel } from "../parts/panel";
import { ShareBar } from "../parts/share-bar";
import { Notice } from "../parts/states";
import { Ago } from "../parts/time";
import { count, counted } from "../text/numbers";
import * as status from "../text/status";
import { address, agentPath, flowPath } from "../url/state";

export function ClassStatus({ deployment, latest }: { deployment: Deployment; latest: number }) {
  const [ask, setAsk] = useState<Ask | null>(null);
  const [asked, setAsked] = useState(0);
  const { class: class_name, agents_total: total } = deployment;
  const done = deployment.agents_by_sync.in_sync;
  return (
    <Panel
      title={
        <>
          Class <Link href={address("/agents", { class: class_name })}>{class_name}</Link> · version {deployment.version}
          {deployment.version < latest && (
            <span className="muted">
              {" "}
              (<Link href={address(flowPath(deployment.flow), { tab: "diff", from: deployment.version, to: latest })}>latest is {latest}</Link>)
            </span>
          )}
        </>
      }
      actions={
        <>
          <span className="muted">
            deployed <Ago ms={deployment.deployed_ms} /> by {deployment.author}
          </span>
          <Menu label="Operate" icon="settings" className="small">
            <MenuItem onSelect={() => setAsk({ body: { operation: "start", operand: "flow" } })}>Start the flow on all agents</MenuItem>
            <MenuItem onSelect={() => setAsk({ body: { operation: "stop", operand: "flow" } })}>Stop the flow on all agents</MenuItem>
          </Menu>
        </>
      }
    >
      <div className="stack">
        <p role="status" data-in-sync={done} data-total={total}>
          {total === 0 ? "No agent of this class has reported yet." : done === total ? (total === 1 ? "Its 1 agent runs it." : `All ${counted(total, "agent")} run it.`) : `${count(done)} of ${counted(total, "agent")} ${done === 1 ? "runs" : "run"} it.`}
        </p>
        <ShareBar
          label={`Sync of class ${class_name}`}
          words={status.sync}
          counts={deployment.agents_by_sync}
          total={total}
          to={(key) => address("/agents", { class: class_name, sync: key })}
          always={["in_sync", "pending", "applying", "failed"]}
        />
        {deployment.run_wanted?.state === "stopped" && (
          <Notice tone="warn">
            <p>
              The flow of this class is to stand still: {deployment.run_wanted.author} stopped it <Ago ms={deployment.run_wanted.asked_ms} />. Agents that come later are stopped, too, until
              somebody starts it.
            </p>
          </Notice>
        )}
        {deployment.failures.map((failure) => (
          <Notice key={failure.reason} tone="bad">
            <p>
              <strong>{counted(failure.agents, "agent")}</strong>: {failure.reason}
            </p>
            <p>
              {failure.agents_sample.slice(0, 5).map((id) => (
                <span key={id}>
                  <Link href={agentPath(id)}>{id}</Link>{" "}
                </span>
              ))}
              {failure.agents > 5 && <Link href={address("/agents", { class: class_name, sync: "failed" })}>all of them</Link>}
            </p>
          </Notice>
        ))}
        {asked > 0 && <Notice tone="info">{counted(asked, "operation")} created; the agents take them with their next heartbeats.</Notice>}
      </div>
      {ask && (
        <ConfirmOperation
          ask={ask}
          to={{ class: class_name }}
          agents={total}
          onClose={(operations) => {
            setAsk(null);
            if (operations) setAsked(operations.length);
          }}
        />
      )}
    </Panel>
  );
}
