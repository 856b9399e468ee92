// A window onto the hub's list of agents: only the pages that are looked at are fetched, and only they are kept fresh.

import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import { fetchAgents, live_ms, queryClient, type AgentFilter } from "./queries";
import type { AgentRow } from "./types";

const page_rows = 200;

export function useAgentWindow(filter: AgentFilter) {
  const [range, setRange] = useState<[number, number]>([0, 0]);
  const pages = Array.from({ length: range[1] - range[0] + 1 }, (_, index) => range[0] + index);
  const key = JSON.stringify(filter);
  const queries = useQueries({
    queries: pages.map((page) => ({
      queryKey: ["agents", "window", filter, page],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchAgents(filter, page * page_rows, page_rows, signal),
      refetchInterval: live_ms,
      // Rows of another page must not stand in for these; the first page may show the old filter's rows until its own come.
      placeholderData: page === 0 ? keepPreviousData : undefined,
    })),
  });

  // The total of the page that answered last; kept while another page is on its way.
  const answered = queries.filter((query) => query.data && !query.isPlaceholderData).sort((a, b) => b.dataUpdatedAt - a.dataUpdatedAt)[0];
  const known = useRef({ key: "", total: 0, as_of_ms: 0 });
  if (answered?.data) known.current = { key, total: answered.data.total, as_of_ms: answered.data.as_of_ms };
  const first = queries[0];
  const total = known.current.key === key ? known.current.total : (first?.data?.total ?? 0);

  const rowAt = (index: number): AgentRow | undefined => {
    const at = Math.floor(index / page_rows) - range[0];
    return queries[at]?.data?.items[index % page_rows];
  };
  const onRange = useCallback((from: number, to: number) => {
    const next: [number, number] = [Math.floor(from / page_rows), Math.floor(to / page_rows)];
    setRange((old) => (old[0] === next[0] && old[1] === next[1] ? old : next));
  }, []);

  return {
    source: { total, rowAt, onRange },
    as_of_ms: known.current.as_of_ms || undefined,
    is_loading: known.current.key === "" && first?.data === undefined,
    is_old: first?.isPlaceholderData === true,
    error: queries.find((query) => query.error)?.error ?? null,
    retry: () => void Promise.all(queries.map((query) => query.refetch())),
  };
}

/** All agents that the filter matches, for an export. */
export async function fetchAllAgents(filter: AgentFilter): Promise<AgentRow[]> {
  const rows = new Map<string, AgentRow>();
  for (let offset = 0, total = 1; offset < total; offset += 1000) {
    const page = await queryClient.fetchQuery({ queryKey: ["agents", "export", filter, offset], queryFn: () => fetchAgents(filter, offset, 1000), staleTime: 0, gcTime: 0 });
    // The order may move between two pages of a live list: by id, no agent comes twice.
    for (const row of page.items) rows.set(row.id, row);
    total = page.total;
    if (page.items.length === 0) break;
  }
  return [...rows.values()];
}
