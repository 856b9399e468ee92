// The state of a page lives in its address: filters, sorting, tabs, selections. A value that is the default is left out.

import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

export type UrlState = Record<string, string>;

export function readState<State extends UrlState>(search: string, defaults: State): State {
  const given = new URLSearchParams(search);
  const state: UrlState = { ...defaults };
  for (const key of Object.keys(defaults)) state[key] = given.get(key) ?? defaults[key]!;
  return state as State;
}

/** The query string, without "?", after `patch`. Keys that are not of this page stay as they are. */
export function writeState<State extends UrlState>(search: string, defaults: State, patch: Partial<State>): string {
  const params = new URLSearchParams(search);
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || value === defaults[key]) params.delete(key);
    else params.set(key, value);
  }
  return params.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** Like useState for a group of texts, kept in the query string. By default a change replaces the history entry. */
export function useUrlState<State extends UrlState>(
  defaults: State,
): [State, (patch: Partial<State>, options?: { push?: boolean }) => void] {
  const search = useSearch();
  const [, navigate] = useLocation();
  const state = useMemo(() => readState(search, defaults), [search, defaults]);
  const change = useCallback(
    (patch: Partial<State>, options?: { push?: boolean }) => {
      const next = writeState(window.location.search, defaults, patch);
      navigate(window.location.pathname + (next && `?${next}`), { replace: !options?.push });
    },
    [navigate, defaults],
  );
  return [state, change];
}

/** An address on this site with a query string of the given values; empty ones are left out. */
export function address(path: string, values: Record<string, string | number | null | undefined> = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value != null && value !== "") params.set(key, String(value));
  const query = params.toString().replaceAll("%2C", ",");
  return path + (query && `?${query}`);
}

export const agentPath = (id: string) => `/agents/${encodeURIComponent(id)}`;
export const flowPath = (name: string) => `/flows/${encodeURIComponent(name)}`;

/** Where to go after login: only to a path of this site. */
export function safeNext(next: string | null): string {
  if (!next || !next.startsWith("/") || next.startsWith("//") || next.startsWith("/\\") || next.startsWith("/login")) return "/";
  return next;
}

/** "a,b" → ["a", "b"]; "" → []. */
export const listOf = (text: string): string[] => (text === "" ? [] : text.split(","));
