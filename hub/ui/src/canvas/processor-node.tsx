// One node of the canvas: name, type, run state, what goes in and out, and its newest error.

import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { memo } from "react";
import type { GraphNode, ProcessorStatus } from "../api/types";
import { Badge } from "../parts/badge";
import { Icon } from "../parts/icon";
import { rate } from "../text/numbers";
import * as status from "../text/status";

export interface ProcessorData extends Record<string, unknown> {
  node: GraphNode;
  status: ProcessorStatus | undefined;
}

const kinds: Record<GraphNode["kind"], string> = { processor: "Processor", funnel: "Funnel", input_port: "Input port", output_port: "Output port" };

export const ProcessorNode = memo(function ProcessorNode({ data, selected }: NodeProps<Node<ProcessorData>>) {
  const { node, status: now } = data;
  return (
    <div className={`node node-${node.kind}${selected ? " selected" : ""}${now?.error ? " has-error" : ""}`}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <div className="node-name" title={[...node.group, node.name].join(" / ")}>
        {node.name}
      </div>
      <div className="node-type muted">
        {node.type || kinds[node.kind]}
        {node.group.length > 0 && ` · ${node.group.join(" / ")}`}
      </div>
      {now ? (
        <div className="node-now">
          {now.error ? (
            <span className="tone-bad node-error" title={now.error}>
              <Icon name="warning" size={13} /> {now.error}
            </span>
          ) : (
            <>
              <Badge said={status.said(status.runState, now.run_state)} quiet />
              <span className="node-rates">
                {now.in_records_per_s !== null && <>in {rate(now.in_records_per_s)}</>} {now.out_records_per_s !== null && <>out {rate(now.out_records_per_s)}</>}
              </span>
            </>
          )}
        </div>
      ) : null}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});
