// Diffs in two columns.

import { expect, test } from "vitest";
import type { DiffLine } from "../src/api/types";
import { folded, sideBySide } from "../src/flowtext/side-by-side";

const same = (line: number, text = `line ${line}`): DiffLine => ({ kind: "same", from_line: line, to_line: line, text });
const removed = (line: number, text: string): DiffLine => ({ kind: "removed", from_line: line, to_line: null, text });
const added = (line: number, text: string): DiffLine => ({ kind: "added", from_line: null, to_line: line, text });

test("a changed line stands beside what it was, with the differing part marked", () => {
  const [row] = sideBySide([removed(1, "rate: 10 /s"), added(1, "rate: 250 /s")]);
  expect(row).toEqual({ kind: "changed", left: { line: 1, text: "rate: 10 /s", changed: [6, 7] }, right: { line: 1, text: "rate: 250 /s", changed: [6, 8] } });
});

test("lines with nothing in common are marked whole", () => {
  const [row] = sideBySide([removed(1, "  abc"), added(1, "  xyz")]);
  expect(row).toMatchObject({ left: { changed: null }, right: { changed: null } });
});

test("more added than removed leaves the left side empty", () => {
  const rows = sideBySide([removed(1, "a"), added(1, "b"), added(2, "c")]);
  expect(rows.map((row) => row.kind === "changed" && [row.left?.text, row.right?.text])).toEqual([["a", "b"], [undefined, "c"]]);
});

test("unchanged lines far from a change are folded, three on each side stay", () => {
  const lines = [...Array.from({ length: 20 }, (_, index) => same(index + 1)), added(21, "new"), ...Array.from({ length: 5 }, (_, index) => same(index + 30))];
  const rows = folded(sideBySide(lines));
  expect(rows[0]).toMatchObject({ kind: "fold" });
  expect(rows[0]?.kind === "fold" && rows[0].rows.length).toBe(17);
  // Two rows at the end are too few to fold.
  expect(rows.slice(1).map((row) => row.kind)).toEqual(["same", "same", "same", "changed", "same", "same", "same", "same", "same"]);
});

test("equal texts fold to one", () => {
  expect(folded(sideBySide(Array.from({ length: 9 }, (_, index) => same(index + 1))))).toHaveLength(1);
});
