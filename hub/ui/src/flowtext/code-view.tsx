// A flow's text, to read: line numbers, colours, the lines that complaints are about.

import { useEffect, useMemo, useRef } from "react";
import { pieces } from "./yaml";

/** Beyond this many lines only the beginning is shown; the whole text can be downloaded. */
const lines_max = 5_000;

export function CodeView({ label, text, marked, at }: { label: string; text: string; marked?: number[]; at?: number }) {
  const lines = useMemo(() => text.replace(/\n$/, "").split("\n", lines_max + 1), [text]);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (at) place.current?.querySelector(`[data-line="${at}"]`)?.scrollIntoView({ block: "center" });
  }, [at, text]);
  return (
    <div className="code-lines" ref={place} tabIndex={0} role="region" aria-label={label}>
      <div className="code">
        {lines.slice(0, lines_max).map((line, index) => (
          <div key={index} data-line={index + 1} className={`code-line${marked?.includes(index + 1) || at === index + 1 ? " marked" : ""}`}>
            <span className="line-number">{index + 1}</span>
            <span>
              {pieces(line).map((piece, part) => (piece.kind ? <span key={part} className={piece.kind}>{piece.text}</span> : piece.text))}
            </span>
          </div>
        ))}
      </div>
      {lines.length > lines_max && <p className="muted">Only the first {lines_max} lines are shown.</p>}
    </div>
  );
}
