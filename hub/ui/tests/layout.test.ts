// The places of processors on the canvas.

import { expect, test } from "vitest";
import { layout, node_px } from "../src/canvas/layout";

const edges = (...pairs: string[]) => pairs.map((pair) => ({ from: pair[0]!, to: pair[1]! }));

test("each processor stands to the right of what feeds it", () => {
  const { nodes } = layout(["a", "b", "c", "d"], edges("ab", "bc", "ad", "dc"));
  for (const [from, to] of [["a", "b"], ["b", "c"], ["a", "d"], ["d", "c"]] as const) expect(nodes.get(from)!.x).toBeLessThan(nodes.get(to)!.x);
});

test("no two processors overlap", () => {
  const ids = [..."abcdefghijkl"];
  const { nodes } = layout(ids, edges("ab", "ac", "ad", "ae", "bf", "cf", "df", "ef", "fg", "fh", "gi", "hi", "ai", "ij", "ik", "il", "al"));
  const all = [...nodes.values()];
  all.forEach((a, index) => {
    for (const b of all.slice(index + 1)) expect(Math.abs(a.x - b.x) >= node_px.width || Math.abs(a.y - b.y) >= node_px.height).toBe(true);
  });
});

test("loops, self loops and connections to nowhere do not hang or hide anything", () => {
  const { nodes } = layout(["a", "b", "c"], [...edges("ab", "bc", "ca", "bb"), { from: "a", to: "gone" }]);
  expect([...nodes.keys()].sort()).toEqual(["a", "b", "c"]);
  expect(nodes.get("a")!.x).toBeLessThan(nodes.get("c")!.x);
});

test("a connection over several columns passes them beside their processors", () => {
  const { nodes, ways } = layout(["a", "b", "c"], edges("ab", "bc", "ac"));
  const pass = ways.get(2)![0]!;
  expect(pass.x).toBe(nodes.get("b")!.x);
  expect(Math.abs(pass.y - nodes.get("b")!.y)).toBeGreaterThanOrEqual(node_px.height / 2);
});

test("a chain of ten thousand does not exhaust the stack", () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `n${index}`);
  const chain = ids.slice(1).map((id, index) => ({ from: ids[index]!, to: id }));
  expect(layout(ids, chain).nodes.size).toBe(10_000);
}, 60_000);
