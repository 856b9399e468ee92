// Names in the messages of events, as links.

import { expect, test } from "vitest";
import { linked } from "../src/text/linked";

const said = (message: string, agent: string | null, flow: string | null = null, version: number | null = null) =>
  linked({ message, agent, flow, version }).map((part) => (part.to === null ? part.text : `[${part.text}](${part.to})`)).join("");

test("names that a message says are links in their place, and are not said twice", () => {
  expect(said("truck-1 has fallen silent", "truck-1")).toBe("[truck-1](/agents/truck-1) has fallen silent");
  expect(said("truck-1 runs one@2", "truck-1", "one", 2)).toBe("[truck-1](/agents/truck-1) runs [one@2](/flows/one)");
  expect(said("ann pushed one@2: one for all", null, "one", 2)).toBe("ann pushed [one@2](/flows/one): one for all");
});

test("names that a message does not say stand before it", () => {
  expect(said("back after 2 min", "truck-1", "one", 2)).toBe("[truck-1](/agents/truck-1) [one@2](/flows/one) back after 2 min");
  expect(said("truck-12 and truck-1x", "truck-1")).toBe("[truck-1](/agents/truck-1) truck-12 and truck-1x");
});
