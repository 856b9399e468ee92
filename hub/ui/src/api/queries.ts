// What the pages ask the hub for, and how often. Server state lives here and nowhere else.

import { keepPreviousData, QueryCache, QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { get, holdSession, hubNow, HubError, path, post, remove } from "./client";
import type * as T from "./types";

/** Distance of two polls of a page that is looked at. The hub answers them from memory. */
export const live_ms = 2_500;
/** Of histories and lists that change by people's hands. */
export const slow_ms = 10_000;

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError(error) {
      // An expired session: `me` becomes null, and the gate shows the login page, which returns here.
      if (error instanceof HubError && error.is("unauthenticated")) queryClient.setQueryData(["me"], null);
    },
  }),
  defaultOptions: {
    queries: { retry: false, networkMode: "always", refetchOnWindowFocus: true, staleTime: 1_000, gcTime: 60_000 },
    mutations: {
      retry: false,
      networkMode: "always",
      onError(error) {
        if (error instanceof HubError && error.is("unauthenticated")) queryClient.setQueryData(["me"], null);
      },
    },
  },
});

async function fetchMe({ signal }: { signal: AbortSignal }): Promise<T.Session | null> {
  try {
    const session = await get<T.Session>("me", {}, signal);
    holdSession(session);
    return session;
  } catch (error) {
    if (error instanceof HubError && error.problem.status === 401) return null;
    throw error;
  }
}

/** null: nobody is logged in. Asked again while the hub is away, so that the page comes back by itself. */
export const useMe = () =>
  useQuery({
    queryKey: ["me"],
    queryFn: fetchMe,
    staleTime: Infinity,
    gcTime: Infinity,
    refetchOnWindowFocus: false,
    refetchInterval: (query) => (query.state.status === "error" ? live_ms : false),
  });

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { user: string; password: string }) => post<T.Session>("login", body),
    // Wrong credentials are an answer to this form, not the end of a session.
    onError: () => undefined,
    onSuccess(session) {
      holdSession(session);
      client.setQueryData(["me"], session);
      void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "me" });
    },
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => post<void>("logout"),
    onSettled() {
      holdSession(null);
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
      client.setQueryData(["me"], null);
    },
  });
}

export const useTokens = () =>
  useQuery({ queryKey: ["tokens"], queryFn: ({ signal }) => get<T.List<T.Token>>("tokens", { limit: 1000 }, signal), refetchInterval: slow_ms });

export function useCreateToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: T.NewToken) => post<T.CreatedToken>("tokens", body),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export function useRemoveToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => remove(path`tokens/${id}`),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export const useOverview = () =>
  useQuery({ queryKey: ["overview"], queryFn: ({ signal }) => get<T.Overview>("overview", {}, signal), refetchInterval: live_ms });

// ------------------------------------------------------------------------------------------------------------------------- agents

export interface AgentFilter {
  q?: string;
  class?: string;
  connectivity?: string;
  sync?: string;
  health?: string;
  flow?: string;
  version?: string;
  sort?: string;
}

export const fetchAgents = (filter: AgentFilter, offset: number, limit: number, signal?: AbortSignal) =>
  get<T.List<T.AgentRow>>("agents", { ...filter, offset, limit }, signal);

export const useAgent = (id: string) =>
  useQuery({
    queryKey: ["agents", id],
    queryFn: ({ signal }) => get<T.AgentDetail>(path`agents/${id}`, {}, signal),
    refetchInterval: live_ms,
  });

export const useAgentOperations = (id: string) =>
  useQuery({
    queryKey: ["agents", id, "operations"],
    queryFn: ({ signal }) => get<T.List<T.Operation>>(path`agents/${id}/operations`, { limit: 200 }, signal),
    refetchInterval: live_ms,
  });

/** Posts an operation to an agent or to all agents of a class. */
export function useOperate() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ to, body }: { to: { agent: string } | { class: string }; body: T.NewOperation }) =>
      post<T.AcceptedOperations>("agent" in to ? path`agents/${to.agent}/operations` : path`classes/${to.class}/operations`, body),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["agents"] }),
  });
}

export const useClasses = () =>
  useQuery({ queryKey: ["classes"], queryFn: ({ signal }) => get<T.List<T.AgentClass>>("classes", {}, signal), refetchInterval: slow_ms });

// ------------------------------------------------------------------------------------------------------------------------ metrics

export type MetricsOf = { fleet: true } | { agent: string } | { flow: string };

export const ranges = { "15m": 15 * 60_000, "1h": 3_600_000, "6h": 6 * 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 } as const;
export type Range = keyof typeof ranges;

export const useMetrics = (of: MetricsOf, range: Range, series: T.MetricName[]) =>
  useQuery({
    queryKey: ["metrics", of, range, series.join()],
    queryFn: ({ signal }) => {
      const to = "agent" in of ? path`agents/${of.agent}/metrics` : "flow" in of ? path`flows/${of.flow}/metrics` : "overview/metrics";
      const step_ms = Math.max(1000, Math.round(ranges[range] / 300));
      // The end is the hub's own now: from_ms alone would be of this computer's clock.
      return get<T.Metrics>(to, { from_ms: Math.round(hubNow() - ranges[range]), step_ms, series: series.join() }, signal);
    },
    placeholderData: keepPreviousData,
    refetchInterval: range === "15m" || range === "1h" ? 5_000 : 30_000,
  });

// -------------------------------------------------------------------------------------------------------------------------- flows

export const useFlows = () =>
  useQuery({ queryKey: ["flows"], queryFn: ({ signal }) => get<T.List<T.FlowRow>>("flows", {}, signal), refetchInterval: live_ms });

export const useFlow = (name: string) =>
  useQuery({
    queryKey: ["flows", name],
    queryFn: ({ signal }) => get<T.FlowDetail>(path`flows/${name}`, {}, signal),
    refetchInterval: live_ms,
    enabled: name !== "",
  });

/** What is asked for once is asked for again while it has failed: the page goes on by itself. */
const until_good = (query: { state: { status: string } }) => (query.state.status === "error" ? slow_ms : false);

/** Versions never change: asked for once. */
export const useFlowVersion = (name: string, version: number | null) =>
  useQuery({
    queryKey: ["flows", name, "versions", version],
    queryFn: ({ signal }) => get<T.FlowVersion>(path`flows/${name}/versions/${version!}`, {}, signal),
    staleTime: Infinity,
    refetchInterval: until_good,
    enabled: version !== null,
  });

export const useFlowDiff = (name: string, from: number, to: number) =>
  useQuery({
    queryKey: ["flows", name, "diff", from, to],
    queryFn: ({ signal }) => get<T.FlowDiff>(path`flows/${name}/diff`, { from, to }, signal),
    staleTime: Infinity,
    refetchInterval: until_good,
    enabled: from > 0 && to > 0,
  });

export const useVersionCheck = (name: string, version: number | null, of_class: string) =>
  useQuery({
    queryKey: ["flows", name, "check", version, of_class],
    queryFn: ({ signal }) => get<T.CheckResult>(path`flows/${name}/versions/${version!}/check`, { class: of_class }, signal),
    refetchInterval: slow_ms,
    placeholderData: keepPreviousData,
    enabled: version !== null,
  });

export const useTextCheck = (text: string, of_class: string) =>
  useQuery({
    queryKey: ["check", of_class, text],
    queryFn: () => post<T.CheckResult>("flows/check", { text, class: of_class || null }),
    staleTime: slow_ms,
    gcTime: slow_ms,
    refetchInterval: until_good,
    placeholderData: keepPreviousData,
    enabled: text.trim() !== "",
  });

export function usePush() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: T.NewVersion) => post<T.PushedVersion>("flows", body),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["flows"] }),
  });
}

// -------------------------------------------------------------------------------------------------------------------- deployments

export const useFlowStatus = (name: string) =>
  useQuery({
    queryKey: ["flows", name, "status"],
    queryFn: ({ signal }) => get<T.List<T.Deployment>>(path`flows/${name}/status`, {}, signal),
    refetchInterval: live_ms,
  });

export const usePreview = (request: T.DeployRequest | null) =>
  useQuery({
    queryKey: ["preview", request],
    queryFn: () => post<T.DeployPreview>("deployments/preview", request!),
    refetchInterval: live_ms,
    enabled: request !== null,
  });

export function useDeploy() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: T.DeployRequest) => post<T.Deployment>("deployments", body),
    onSuccess: () => void client.invalidateQueries(),
  });
}

// ------------------------------------------------------------------------------------------------------------------------- events

export interface EventFilter {
  kind?: string;
  severity?: string;
  agent?: string;
  class?: string;
  flow?: string;
  q?: string;
}

export const fetchEvents = (filter: EventFilter, page: { since?: number; before?: number }, limit: number, signal?: AbortSignal) =>
  get<T.EventList>("events", { ...filter, ...page, limit }, signal);

