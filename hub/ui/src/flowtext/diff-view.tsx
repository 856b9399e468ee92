// Two versions of a flow's text side by side.

import { Fragment, useMemo, useState } from "react";
import type { FlowDiff } from "../api/types";
import { counted } from "../text/numbers";
import { folded, sideBySide, type DiffRow, type Side } from "./side-by-side";

export function DiffView({ diff }: { diff: FlowDiff }) {
  const rows = useMemo(() => folded(sideBySide(diff.lines)), [diff]);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  return (
    <div className="diff-scroll" role="region" tabIndex={0} aria-label={`Changes from version ${diff.from} to ${diff.to}`}>
      <div className="diff">
        {rows.map((row, index) =>
          row.kind === "fold" ? (
            open.has(index) ? (
              row.rows.map((each, at) => <Line key={`${index}.${at}`} row={each} />)
            ) : (
              <div key={index} className="fold">
                <button type="button" className="plain small" onClick={() => setOpen(new Set([...open, index]))}>
                  Show {counted(row.rows.length, "unchanged line")}
                </button>
              </div>
            )
          ) : (
            <Line key={index} row={row} />
          ),
        )}
      </div>
    </div>
  );
}

function Line({ row }: { row: DiffRow }) {
  if (row.kind === "fold") return null;
  const is_changed = row.kind === "changed";
  return (
    <>
      <Half side={row.left} tone={is_changed ? "removed" : ""} sign="−" />
      <Half side={row.right} tone={is_changed ? "added" : ""} sign="+" />
    </>
  );
}

function Half({ side, tone, sign }: { side: Side | null; tone: string; sign: string }) {
  if (!side) {
    return (
      <>
        <span className="line-number nothing" />
        <span className="nothing" />
      </>
    );
  }
  const [begin, end] = side.changed ?? [0, 0];
  return (
    <Fragment>
      <span className={`line-number ${tone}`}>
        {tone && <span aria-label={tone}>{sign} </span>}
        {side.line}
      </span>
      <span className={tone}>
        {side.changed && end > begin ? (
          <>
            {side.text.slice(0, begin)}
            <mark>{side.text.slice(begin, end)}</mark>
            {side.text.slice(end)}
          </>
        ) : (
          side.text
        )}
      </span>
    </Fragment>
  );
}
