// Asking an agent, or all agents of a class, to do something: says what will happen first.

import { useOperate } from "../api/queries";
import type { AgentDetail, NewOperation, Operation } from "../api/types";
import { counted } from "../text/numbers";
import { Dialog } from "./dialog";
import { errorText, Notice } from "./states";

export interface Ask {
  body: NewOperation;
  /** What the target is called, and for a connection how much waits in it. */
  name?: string;
  queued_count?: number;
}

export const isSupported = (agent: AgentDetail, body: NewOperation): boolean => agent.operations_supported.includes(`${body.operation}/${body.operand}`);

const effects: Record<string, string> = {
  "start/flow": "All processors of the flow start.",
  "stop/flow": "All processors stop. What is queued stays on the agent's disk; brokers and devices keep what is not taken.",
  "start/processor": "The processor starts to take work again.",
  "run_once/processor": "The processor, which stands still, is triggered a single time. What that did stands in the operation's details.",
  "stop/processor": "The processor takes no more work. What feeds it waits when its queue is full.",
  "clear/connection": "Everything that waits in this connection is dropped for good and counted as removed in the loss ledger.",
  "restart/agent": "The agent's process ends and starts again. Nothing that it has accepted is lost; it is away for some seconds.",
  "describe/manifest": "The agent sends the list of the processors that it knows.",
  "describe/corecomponentstate": "The agent sends what its processors, services and groups remember, such as positions. That stands in the operation's details.",
};

export function ConfirmOperation({ ask, to, agents, onClose }: {
  ask: Ask;
  to: { agent: string } | { class: string };
  agents?: number;
  onClose: (operations?: Operation[]) => void;
}) {
  const operate = useOperate();
  const { operation, operand } = ask.body;
  const whom = "agent" in to ? to.agent : agents === 1 ? `the 1 agent of class ${to.class}` : `all ${counted(agents ?? 0, "agent")} of class ${to.class}`;
  const what = `${operand}${ask.name ? ` ${ask.name}` : ""}`;
  const title = operand === "corecomponentstate" ? "Ask what components remember?" : operation === "run_once" ? `Run ${what} once?` : `${operation[0]!.toUpperCase()}${operation.slice(1)} ${what}?`;
  const is_final = operation === "clear";
  return (
    <Dialog
      title={title}
      onClose={() => onClose()}
      actions={
        <>
          <button type="button" onClick={() => onClose()}>
            Cancel
          </button>
          <button
            type="button"
            className={is_final ? "danger" : "primary"}
            disabled={operate.isPending}
            onClick={() => operate.mutate({ to, body: ask.body }, { onSuccess: (accepted) => onClose(accepted.operations) })}
          >
            {operate.isPending ? "Sending …" : is_final ? `Drop ${ask.queued_count === undefined ? "them" : counted(ask.queued_count, "FlowFile")}` : title.replace("?", "")}
          </button>
        </>
      }
    >
      <p>
        On <strong>{whom}</strong>. {effects[`${operation}/${operand}`]}
      </p>
      <p className="muted">It is carried out with the next heartbeat.</p>
      {operate.error && <Notice tone="bad">{errorText(operate.error)}</Notice>}
    </Dialog>
  );
}
