// One connection of the canvas: its relationships, how much waits in it and how near it is to holding back what feeds it.

import { BaseEdge, EdgeLabelRenderer, getBezierPath, type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import type { GraphEdge, QueueStatus } from "../api/types";
import { Icon } from "../parts/icon";
import { bytes, compact } from "../text/numbers";
import { duration } from "../text/times";
import { fullness } from "./fullness";
import { node_px, type Placed } from "./layout";

export interface ConnectionData extends Record<string, unknown> {
  edge: GraphEdge;
  queue: QueueStatus | undefined;
  /** How many connections between the same two nodes come before this one. */
  beside: number;
  /** Where it passes the columns between its nodes. */
  way: Placed[] | undefined;
  onSelect: ((id: string) => void) | undefined;
  is_selected: boolean;
}

export const ConnectionEdge = memo(function ConnectionEdge(props: EdgeProps<Edge<ConnectionData>>) {
  const { edge, queue, beside, way: passes, onSelect, is_selected } = props.data!;
  const [path, x, y] = way(props, beside, passes);
  const full = queue ? fullness(queue) : 0;
  const tone = queue?.is_full ? "bad" : full >= 0.8 ? "warn" : "ok";
  return (
    <>
      <BaseEdge path={path} {...(props.markerEnd ? { markerEnd: props.markerEnd } : {})} className={`wire${is_selected ? " selected" : ""}${queue?.is_full ? " full" : ""}`} />
      {/* A label without anything to say would be a hole in the line. */}
      {(edge.relationships.length > 0 || queue) && <EdgeLabelRenderer>
        <button
          type="button"
          tabIndex={-1}
          className={`wire-label nodrag nopan${is_selected ? " selected" : ""}`}
          style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y + beside * 52}px)` }}
          onClick={() => onSelect?.(edge.id)}
          title={edge.name}
        >
          {edge.relationships.length > 0 && <span className="wire-name">{edge.relationships.join(", ")}</span>}
          {queue && (
            <>
              <span className="wire-count">
                {compact(queue.queued_count)} · {bytes(queue.queued_bytes)}
              </span>
              <span className="gauge" aria-hidden="true">
                <span className={`bar-${tone}`} style={{ width: `${Math.max(full * 100, queue.queued_count > 0 ? 2 : 0)}%` }} />
              </span>
              {queue.is_full ? (
                <span className="tone-bad">
                  <Icon name="stack" size={12} /> full, holds back
                </span>
              ) : (
                full >= 0.8 && (
                  <span className="tone-warn">
                    <Icon name="warning" size={12} /> {Math.floor(full * 100)} % full
                  </span>
                )
              )}
              {(queue.age_ms_max ?? 0) > 60_000 && (
                <span className="muted">
                  <Icon name="clock" size={11} /> {duration(queue.age_ms_max)}
                </span>
              )}
            </>
          )}
        </button>
      </EdgeLabelRenderer>}
    </>
  );
});

/** The line and the place of its label. A connection to itself, or back to the left, goes around beneath the nodes. */
function way(props: EdgeProps, beside: number, passes: Placed[] = []): [string, number, number] {
  const { sourceX, sourceY, targetX, targetY } = props;
  if (targetX > sourceX && passes.length > 0) {
    let path = `M${sourceX},${sourceY}`;
    let [x, y] = [sourceX, sourceY];
    const to = (next_x: number, next_y: number) => {
      const half = (x + next_x) / 2;
      path += ` C${half},${y} ${half},${next_y} ${next_x},${next_y}`;
      [x, y] = [next_x, next_y];
    };
    for (const pass of passes) {
      to(pass.x, pass.y + node_px.height / 2);
      path += ` L${pass.x + node_px.width},${y}`;
      x = pass.x + node_px.width;
    }
    to(targetX, targetY);
    const middle = passes[Math.floor(passes.length / 2)]!;
    return [path, middle.x + node_px.width / 2, middle.y + node_px.height / 2];
  }
  if (targetX > sourceX) {
    const [path, x, y] = getBezierPath(props);
    return [path, x, y];
  }
  const low = Math.max(sourceY, targetY) + node_px.height * 0.95 + beside * 26;
  const path = `M${sourceX},${sourceY} C${sourceX + 60},${sourceY} ${sourceX + 60},${low} ${sourceX},${low} L${targetX},${low} C${targetX - 60},${low} ${targetX - 60},${targetY} ${targetX},${targetY}`;
  return [path, (sourceX + targetX) / 2, low];
}
