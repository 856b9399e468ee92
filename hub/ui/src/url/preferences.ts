// What a person likes, kept in this browser: the theme, and whether times are local or UTC.

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark" | "contrast";

interface Preferences {
  theme: Theme;
  utc: boolean;
}

const key = "runnel.preferences";
const listeners = new Set<() => void>();
let current = load();

function load(): Preferences {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Preferences>;
    const theme = stored.theme;
    return { theme: theme === "light" || theme === "dark" || theme === "contrast" ? theme : "system", utc: stored.utc === true };
  } catch {
    return { theme: "system", utc: false };
  }
}

/** Puts the theme on the page; called before the first render and after each change. */
export function applyTheme(): void {
  const system = matchMedia("(prefers-contrast: more)").matches ? "contrast" : undefined;
  const theme = current.theme === "system" ? system : current.theme;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

export function prefer(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(key, JSON.stringify(current));
  } catch {
    // A browser that stores nothing still shows what was chosen until it is closed.
  }
  applyTheme();
  for (const listener of listeners) listener();
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
