// A unified diff as two columns: what was removed stands beside what was added in its place.

import type { DiffLine } from "../api/types";

export interface Side {
  line: number;
  text: string;
  /** The part that differs from the other side, as [begin, end); null when the whole line does. */
  changed: [number, number] | null;
}

export type DiffRow = { kind: "same" | "changed"; left: Side | null; right: Side | null } | { kind: "fold"; rows: DiffRow[] };

/** Unchanged lines that are kept around a change. */
const context_lines = 3;
/** Fewer are not worth folding. */
const fold_lines_min = 4;

export function sideBySide(lines: DiffLine[]): DiffRow[] {
  const rows: DiffRow[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    if (line.kind === "same") {
      rows.push({ kind: "same", left: side(line, line.from_line), right: side(line, line.to_line) });
      at++;
      continue;
    }
    const block: DiffLine[] = [];
    while (at < lines.length && lines[at]!.kind !== "same") block.push(lines[at++]!);
    const removed = block.filter((each) => each.kind === "removed");
    const added = block.filter((each) => each.kind === "added");
    for (let index = 0; index < Math.max(removed.length, added.length); index++) {
      const [was, is] = [removed[index], added[index]];
      const left = was ? side(was, was.from_line) : null;
      const right = is ? side(is, is.to_line) : null;
      if (left && right) [left.changed, right.changed] = changedParts(left.text, right.text);
      rows.push({ kind: "changed", left, right });
    }
  }
  return rows;
}

function side(line: DiffLine, number: number | null): Side {
  return { line: number ?? 0, text: line.text, changed: null };
}

/** What lies between the common beginning and the common end; null when nothing is common. */
function changedParts(left: string, right: string): [[number, number] | null, [number, number] | null] {
  const most = Math.min(left.length, right.length);
  let begin = 0;
  while (begin < most && left[begin] === right[begin]) begin++;
  let end = 0;
  while (end < most - begin && left[left.length - 1 - end] === right[right.length - 1 - end]) end++;
  // White space alone is no kinship.
  const common = left.slice(0, begin).trim().length + left.slice(left.length - end).trim().length;
  if (common === 0) return [null, null];
  return [
    [begin, left.length - end],
    [begin, right.length - end],
  ];
}

/** Long runs of unchanged rows become folds; three lines around each change stay. */
export function folded(rows: DiffRow[]): DiffRow[] {
  const near = rows.map(() => false);
  rows.forEach((row, index) => {
    if (row.kind === "same") return;
    for (let at = Math.max(0, index - context_lines); at <= Math.min(rows.length - 1, index + context_lines); at++) near[at] = true;
  });
  const result: DiffRow[] = [];
  for (let at = 0; at < rows.length; ) {
    if (near[at]) {
      result.push(rows[at++]!);
      continue;
    }
    const begin = at;
    while (at < rows.length && !near[at]) at++;
    const run = rows.slice(begin, at);
    if (run.length < fold_lines_min) result.push(...run);
    else result.push({ kind: "fold", rows: run });
  }
  return result;
}
