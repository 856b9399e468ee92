// How near a queue is to holding back what feeds it.

import type { QueueStatus } from "../api/types";

/** 0…1: the fuller of count and bytes; 0 without limits. */
export function fullness(queue: QueueStatus): number {
  const by_count = queue.limit_count > 0 ? queue.queued_count / queue.limit_count : 0;
  const by_bytes = queue.limit_bytes > 0 ? queue.queued_bytes / queue.limit_bytes : 0;
  return Math.min(1, Math.max(by_count, by_bytes));
}
