// The one door to the hub: requests, their errors, whether the hub answers at all, and its clock.

import type { Problem, Session } from "./types";

/** The hub answered with an error. */
export class HubError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "HubError";
  }
  is(word: string): boolean {
    return this.problem.type === `urn:runnel:problem:${word}`;
  }
}

/** The hub did not answer: it is being restarted, or the network is gone. */
export class HubAway extends Error {
  constructor(cause: string) {
    super(`the hub does not answer (${cause})`);
    this.name = "HubAway";
  }
}

export interface Link {
  /** When the hub was first found away; null while it answers. */
  away_since_ms: number | null;
}

type Query = Record<string, string | number | null | undefined>;

const answer_ms_max = 10_000;
let csrf_token = "";
let clock_ahead_ms = 0;
let link: Link = { away_since_ms: null };
const listeners = new Set<() => void>();

/** The hub's clock, as its answers told it; so that a wrong clock of this computer does not make agents look late. */
export const hubNow = (): number => Date.now() + clock_ahead_ms;

export function holdSession(session: Session | null): void {
  csrf_token = session?.csrf_token ?? "";
}

export const linkState = (): Link => link;
export function onLinkChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function hubIsAway(is_away: boolean): void {
  if (is_away === (link.away_since_ms !== null)) return;
  link = { away_since_ms: is_away ? Date.now() : null };
  for (const listener of listeners) listener();
}

export const get = <T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> => request<T>("GET", path, query, undefined, signal);
export const post = <T>(path: string, body?: object): Promise<T> => request<T>("POST", path, {}, body);
export const remove = (path: string): Promise<void> => request<void>("DELETE", path, {});

/** A path of segments that may hold any character: path`agents/${id}`. */
export function path(texts: TemplateStringsArray, ...values: (string | number)[]): string {
  return String.raw({ raw: texts }, ...values.map((value) => encodeURIComponent(value)));
}

async function request<T>(method: string, to: string, query: Query, body?: object, signal?: AbortSignal): Promise<T> {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value != null && value !== "") params.set(key, String(value));
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-Runnel-CSRF"] = csrf_token;

  const timeout = AbortSignal.timeout(answer_ms_max);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`/api/v1/${to}${params.size ? `?${params}` : ""}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted) throw cause;
    hubIsAway(true);
    throw new HubAway(timeout.aborted ? `no answer in ${answer_ms_max / 1000} s` : "no connection");
  }
  if (response.status === 502 || response.status === 503 || response.status === 504) {
    hubIsAway(true);
    throw new HubAway(`status ${response.status}`);
  }
  hubIsAway(false);
  const parsed = parse(text);
  if (!response.ok) throw new HubError(problem(response, parsed));
  if (parsed && typeof parsed === "object" && "as_of_ms" in parsed && typeof parsed.as_of_ms === "number") {
    clock_ahead_ms = parsed.as_of_ms - Date.now();
  }
  return parsed as T;
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problem(response: Response, body: unknown): Problem {
  const given = (body ?? {}) as Partial<Problem>;
  return {
    type: given.type ?? "about:blank",
    title: given.title ?? response.statusText,
    status: response.status,
    detail: given.detail ?? given.title ?? `the hub answered ${response.status} ${response.statusText}`,
    ...(given.complaints ? { complaints: given.complaints } : {}),
  };
}
