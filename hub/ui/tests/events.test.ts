// The feed of events: nothing is shown twice, nothing is left out unseen.

import { expect, test } from "vitest";
import { events_max, mergeNewest } from "../src/api/event-feed";
import type { EventList, FleetEvent } from "../src/api/types";

const event = (id: number): FleetEvent => ({ id, time_ms: id, kind: "login", severity: "info", actor: null, agent: null, class: null, flow: null, version: null, message: "" });
const page = (from: number, to: number, next_before: number | null): EventList => ({
  as_of_ms: from,
  items: Array.from({ length: from - to + 1 }, (_, index) => event(from - index)),
  next_before,
});
const ids = (list: EventList) => list.items.map((each) => each.id);

test("the first answer is taken as it is", () => {
  expect(mergeNewest(undefined, page(5, 1, null))).toEqual(page(5, 1, null));
});

test("new events come before the known ones, older ones stay", () => {
  const merged = mergeNewest(page(10, 3, 3), page(12, 8, 8));
  expect(ids(merged)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
  expect(merged.next_before).toBe(3);
  expect(merged.as_of_ms).toBe(12);
});

test("when more has happened than one answer holds, the list begins anew instead of hiding the gap", () => {
  expect(mergeNewest(page(10, 3, 3), page(50, 20, 20))).toEqual(page(50, 20, 20));
});

test("the list is bounded, and what was let go can be asked for again", () => {
  const merged = mergeNewest(page(events_max, 1, null), page(events_max + 2, events_max - 5, 1));
  expect(merged.items).toHaveLength(events_max);
  expect(merged.next_before).toBe(3);
});
