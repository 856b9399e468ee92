// Events, newest first: the newest are asked for again and again, older ones when a person asks.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { fetchEvents, live_ms, type EventFilter } from "./queries";
import type { EventList, FleetEvent } from "./types";

const page_events = 200;
/** Beyond this the oldest are let go; they can be asked for again. */
export const events_max = 5_000;

/** What is known after a poll that asked for the newest. When the poll does not reach back to what was known, it begins anew. */
export function mergeNewest(known: EventList | undefined, newest: EventList): EventList {
  const last = known?.items[0];
  if (!known || !last) return newest;
  const oldest_new = newest.items[newest.items.length - 1];
  if (newest.next_before !== null && oldest_new && oldest_new.id > last.id) return newest;
  const items = [...newest.items.filter((event) => event.id > last.id), ...known.items];
  if (items.length <= events_max) return { ...known, as_of_ms: newest.as_of_ms, items };
  const kept = items.slice(0, events_max);
  return { as_of_ms: newest.as_of_ms, items: kept, next_before: kept[kept.length - 1]!.id };
}

export function useEventFeed(filter: EventFilter) {
  const client = useQueryClient();
  const key = ["events", filter];
  const query = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => mergeNewest(client.getQueryData<EventList>(key), await fetchEvents(filter, {}, page_events, signal)),
    refetchInterval: live_ms,
  });
  const [is_fetching_older, setFetching] = useState(false);

  async function older(): Promise<void> {
    const known = client.getQueryData<EventList>(key);
    if (!known || known.next_before === null) return;
    setFetching(true);
    try {
      const page = await fetchEvents(filter, { before: known.next_before }, page_events);
      client.setQueryData<EventList>(key, (now) => now && { ...now, items: append(now.items, page.items), next_before: page.next_before });
    } finally {
      setFetching(false);
    }
  }
  return { ...query, older, is_fetching_older };
}

function append(items: FleetEvent[], older: FleetEvent[]): FleetEvent[] {
  const last = items[items.length - 1]?.id ?? Infinity;
  return [...items, ...older.filter((event) => event.id < last)];
}
