// The three axes of an agent's state, and all other states: for each one its word, its icon and its tone. They are shown together, always.

import type { Connectivity, EventKind, Health, OperationState, ProcessorStatus, Severity, Sync } from "../api/types";
import type { IconName } from "../parts/icon";

export type Tone = "ok" | "info" | "warn" | "bad" | "idle";

export interface Said {
  word: string;
  icon: IconName;
  tone: Tone;
  meaning: string;
}

export const connectivity: Record<Connectivity, Said> = {
  online: { word: "Online", icon: "online", tone: "ok", meaning: "Its last heartbeat came when it was due." },
  late: { word: "Late", icon: "clock", tone: "warn", meaning: "One to three heartbeats are missing." },
  offline: { word: "Offline", icon: "offline", tone: "bad", meaning: "More than three heartbeats are missing." },
  never_seen: { word: "Never seen", icon: "circle-dashed", tone: "idle", meaning: "Known by name, has not reported yet." },
};

export const sync: Record<Sync, Said> = {
  in_sync: { word: "In sync", icon: "check", tone: "ok", meaning: "Runs the version that its class should run." },
  pending: { word: "Pending", icon: "hourglass", tone: "info", meaning: "Has not fetched the new version yet." },
  applying: { word: "Applying", icon: "arrows", tone: "info", meaning: "Is starting the new version." },
  failed: { word: "Failed", icon: "cross", tone: "bad", meaning: "The new version did not start; it runs the last one that worked." },
  unassigned: { word: "Unassigned", icon: "dash", tone: "idle", meaning: "Its class has no flow." },
};

export const health: Record<Health, Said> = {
  ok: { word: "OK", icon: "pulse", tone: "ok", meaning: "The flow runs without complaint." },
  degraded: { word: "Degraded", icon: "warning", tone: "warn", meaning: "The flow runs and reports errors." },
  back_pressure: { word: "Back pressure", icon: "stack", tone: "warn", meaning: "A queue is full; what feeds it waits." },
  stopped: { word: "Stopped", icon: "stop", tone: "idle", meaning: "The flow is stopped." },
  unknown: { word: "Unknown", icon: "question", tone: "idle", meaning: "The agent has not said." },
};

export const severity: Record<Severity, Said> = {
  info: { word: "Info", icon: "info", tone: "idle", meaning: "" },
  warning: { word: "Warning", icon: "warning", tone: "warn", meaning: "" },
  error: { word: "Error", icon: "cross", tone: "bad", meaning: "" },
};

/** What was asked for: "run once processor". */
export const operationText = (asked: { operation: string; operand: string }): string => `${asked.operation.replace("_", " ")} ${asked.operand}`;

export const operationState: Record<OperationState, Said> = {
  queued: { word: "Queued", icon: "hourglass", tone: "info", meaning: "Waits for the agent's next heartbeat." },
  delivered: { word: "Delivered", icon: "arrows", tone: "info", meaning: "The agent has it and has not answered yet." },
  done: { word: "Done", icon: "check", tone: "ok", meaning: "The agent has done it." },
  failed: { word: "Failed", icon: "cross", tone: "bad", meaning: "The agent could not do it." },
  expired: { word: "Expired", icon: "clock", tone: "idle", meaning: "The agent did not come in time." },
  superseded: { word: "Superseded", icon: "dash", tone: "idle", meaning: "A later one took its place." },
};

export const runState: Record<ProcessorStatus["run_state"], Said> = {
  running: { word: "Running", icon: "play", tone: "ok", meaning: "" },
  stopped: { word: "Stopped", icon: "stop", tone: "idle", meaning: "" },
  starting: { word: "Starting", icon: "arrows", tone: "info", meaning: "" },
  stopping: { word: "Stopping", icon: "arrows", tone: "info", meaning: "" },
  invalid: { word: "Invalid", icon: "cross", tone: "bad", meaning: "Its configuration is refused." },
  unknown: { word: "Unknown", icon: "question", tone: "idle", meaning: "" },
};

export const eventKinds: Record<EventKind, string> = {
  agent_registered: "Agent registered",
  agent_online: "Agent online",
  agent_offline: "Agent offline",
  agent_restarted: "Agent restarted",
  flow_pushed: "Flow pushed",
  flow_deployed: "Flow deployed",
  flow_applied: "Flow applied",
  flow_failed: "Flow failed",
  flow_refused: "Flow refused",
  operation_created: "Operation created",
  operation_finished: "Operation finished",
  bulletin: "Bulletin",
  login: "Login",
  login_failed: "Login failed",
  logout: "Logout",
  token_created: "Token created",
  token_removed: "Token removed",
  hub_started: "Hub started",
  hub_stopped: "Hub stopped",
};

/** A hub that is newer than this page may say a word that it does not know: it is shown as it is. */
export function said<Key extends string>(words: Record<Key, Said>, key: Key): Said {
  return words[key] ?? { word: key, icon: "question", tone: "idle", meaning: "" };
}
