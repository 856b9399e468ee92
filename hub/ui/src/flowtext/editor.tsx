// A plain editor for a flow's text: line numbers, the lines that complaints are about, a tab key that indents (Escape, then Tab, leaves).

import { forwardRef, useImperativeHandle, useRef, useState } from "react";

export interface EditorHandle {
  goTo: (line: number, column: number) => void;
}

interface Props {
  label: string;
  text: string;
  marked: number[];
  onChange: (text: string) => void;
}

export const Editor = forwardRef<EditorHandle, Props>(function Editor({ label, text, marked, onChange }, ref) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [top, setTop] = useState(0);
  const [leaving, setLeaving] = useState(false);
  const lines = text.split("\n").length;

  useImperativeHandle(ref, () => ({
    goTo(line, column) {
      const element = area.current!;
      const before = element.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
      element.focus();
      element.setSelectionRange(before + column - 1, before + column - 1);
      element.scrollTop = Math.max(0, (line - 6) * 20);
    },
  }));

  return (
    <div className="editor">
      <div className="editor-lines" aria-hidden="true">
        <div style={{ transform: `translateY(${-top}px)` }}>
          {Array.from({ length: lines }, (_, index) => (
            <div key={index} className={marked.includes(index + 1) ? "bad" : undefined}>
              {marked.includes(index + 1) ? "✕ " : ""}
              {index + 1}
            </div>
          ))}
        </div>
      </div>
      <textarea
        ref={area}
        aria-label={label}
        aria-description="Tab indents; press Escape and then Tab to leave."
        value={text}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        wrap="off"
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setLeaving(true);
          else if (event.key === "Tab" && !leaving && !event.shiftKey) {
            event.preventDefault();
            // The way that keeps the browser's undo.
            document.execCommand("insertText", false, "  ");
          } else if (event.key !== "Tab") setLeaving(false);
        }}
      />
    </div>
  );
});
