// The message of an event, cut where it names the agent or the flow that it is about, so that each name is a link.

import type { FleetEvent } from "../api/types";
import { agentPath, flowPath } from "../url/state";

export interface Part {
  text: string;
  to: string | null;
}

export function linked(event: Pick<FleetEvent, "message" | "agent" | "flow" | "version">): Part[] {
  const names: { name: string; to: string }[] = [];
  if (event.agent) names.push({ name: event.agent, to: agentPath(event.agent) });
  if (event.flow) {
    if (event.version !== null) names.push({ name: `${event.flow}@${event.version}`, to: flowPath(event.flow) });
    names.push({ name: event.flow, to: flowPath(event.flow) });
  }
  let parts: Part[] = [{ text: event.message, to: null }];
  const is_said = (to: string) => parts.some((part) => part.to === to);
  for (const { name, to } of names) {
    if (!is_said(to)) parts = parts.flatMap((part) => (part.to === null ? cutAt(part.text, name, to) : [part]));
  }
  // What the message does not name goes before it.
  const before: Part[] = [];
  for (const { name, to } of names) {
    if (!is_said(to) && !before.some((part) => part.to === to)) before.push({ text: name, to }, { text: " ", to: null });
  }
  return [...before, ...parts];
}

/** At the first place where `name` stands as a word of its own: `truck-1` is not in `truck-12`. */
function cutAt(text: string, name: string, to: string): Part[] {
  const of_a_name = /[A-Za-z0-9_@-]/;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const end = at + name.length;
    if (of_a_name.test(text.charAt(at - 1)) || of_a_name.test(text.charAt(end))) continue;
    return [
      { text: text.slice(0, at), to: null },
      { text: name, to },
      { text: text.slice(end), to: null },
    ].filter((part) => part.text !== "");
  }
  return [{ text, to: null }];
}
