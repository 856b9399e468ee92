// The state of a page in its address.

import { expect, test } from "vitest";
import { address, listOf, readState, safeNext, writeState } from "../src/url/state";

const defaults = { q: "", sync: "", sort: "id" };

test("what is not in the address is the default", () => {
  expect(readState("?sync=failed", defaults)).toEqual({ q: "", sync: "failed", sort: "id" });
});

test("a default value leaves the address, others stay, and lists stay readable", () => {
  expect(writeState("q=a&sort=-id&other=1", defaults, { sort: "id", sync: "failed,pending" })).toBe("q=a&other=1&sync=failed,pending");
});

test("reading back what was written gives the same state", () => {
  const state = { q: "a b&c=ä", sync: "failed,pending", sort: "-last_seen_ms" };
  expect(readState(writeState("", defaults, state), defaults)).toEqual(state);
});

test("addresses leave out what is empty", () => {
  expect(address("/agents", { class: "trucks", q: "", version: null, flow: "a&b" })).toBe("/agents?class=trucks&flow=a%26b");
  expect(address("/agents")).toBe("/agents");
});

test("after login only pages of this site are shown", () => {
  expect(safeNext("/agents?sync=failed")).toBe("/agents?sync=failed");
  for (const hostile of [null, "", "https://evil.example", "//evil.example", "/\\evil.example", "/login?next=/", "javascript:alert(1)"]) expect(safeNext(hostile)).toBe("/");
});

test("an empty filter is an empty list", () => {
  expect([listOf(""), listOf("a"), listOf("a,b")]).toEqual([[], ["a"], ["a", "b"]]);
});
