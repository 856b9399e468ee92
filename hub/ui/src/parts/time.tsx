// A moment: relative to read, absolute on hover. Ticks once a second together with all others on the page.

import { useSyncExternalStore } from "react";
import { hubNow } from "../api/client";
import { absolute, ago, clock } from "../text/times";
import { usePreferences } from "../url/preferences";

const listeners = new Set<() => void>();
let now_ms = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now_ms = hubNow();
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The hub's time, to the second. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now_ms);

export function Ago({ ms }: { ms: number | null }) {
  const now = useNow();
  const { utc } = usePreferences();
  if (ms === null) return <span className="muted">never</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={absolute(ms, utc)}>
      {ago(ms, Math.max(now, hubNow() - 1500))}
    </time>
  );
}

/** Absolute to read, relative on hover: for logs. */
export function At({ ms }: { ms: number }) {
  const { utc } = usePreferences();
  const now = useNow();
  return (
    <time dateTime={new Date(ms).toISOString()} title={`${absolute(ms, utc)} (${ago(ms, now)})`}>
      {absolute(ms, utc)}
    </time>
  );
}

/** "Data as of 09:31:05". */
export function AsOf({ ms }: { ms: number | undefined }) {
  const { utc } = usePreferences();
  const now = useNow();
  if (ms === undefined) return null;
  const is_old = now - ms > 15_000;
  return (
    <span className={`as-of ${is_old ? "tone-warn" : "muted"}`} data-as-of={ms}>
      Data as of {clock(ms, utc)}
      {utc ? " UTC" : ""}
      {is_old ? ` (${ago(ms, now)})` : ""}
    </span>
  );
}
