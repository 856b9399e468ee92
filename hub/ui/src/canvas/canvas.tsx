// A flow as a picture: processors and the connections between them, with what an agent says of each when there is one.

import { Background, BackgroundVariant, Controls, MarkerType, MiniMap, ReactFlow, type Edge, type Node } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import "./canvas.css";
import { useMemo } from "react";
import type { FlowGraph, ProcessorStatus, QueueStatus } from "../api/types";
import { ConnectionEdge, type ConnectionData } from "./connection-edge";
import { layout, node_px } from "./layout";
import { ProcessorNode, type ProcessorData } from "./processor-node";

interface Props {
  label: string;
  graph: FlowGraph;
  processors?: ProcessorStatus[];
  queues?: QueueStatus[];
  selected?: string;
  onSelect?: (id: string) => void;
  height_max?: number;
}

/** Of the canvas on a usual screen; only its height is guessed from it. */
const usual_width_px = 1200;

const nodeTypes = { processor: ProcessorNode };
const edgeTypes = { connection: ConnectionEdge };
const marker = { type: MarkerType.ArrowClosed, width: 16, height: 16, color: "var(--line-strong)" };

export default function Canvas({ label, graph, processors, queues, selected, onSelect, height_max = 560 }: Props) {
  const shape = JSON.stringify([graph.nodes.map((node) => node.id), graph.edges.map((edge) => [edge.from, edge.to])]);
  const places = useMemo(
    () => layout(graph.nodes.map((node) => node.id), graph.edges),
    // The same flow is not laid out again at each poll.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [shape],
  );
  const nodes = useMemo(() => {
    const status = new Map(processors?.map((each) => [each.id, each]));
    return graph.nodes.map(
      (node): Node<ProcessorData> => ({
        id: node.id,
        type: "processor",
        position: places.nodes.get(node.id) ?? { x: 0, y: 0 },
        data: { node, status: status.get(node.id) },
        selected: selected === node.id,
        ariaLabel: `${node.type || node.kind} ${node.name}`,
      }),
    );
  }, [graph.nodes, places, processors, selected]);
  const edges = useMemo(() => {
    const status = new Map(queues?.map((each) => [each.id, each]));
    const beside = new Map<string, number>();
    return graph.edges.map((edge, at): Edge<ConnectionData> => {
      const pair = `${edge.from}\u0000${edge.to}`;
      const index = beside.get(pair) ?? 0;
      beside.set(pair, index + 1);
      return {
        id: edge.id,
        type: "connection",
        source: edge.from,
        target: edge.to,
        markerEnd: marker,
        data: { edge, queue: status.get(edge.id), beside: index, way: places.ways.get(at), onSelect, is_selected: selected === edge.id },
        selected: selected === edge.id,
        ariaLabel: `connection ${edge.name}`,
      };
    });
  }, [graph.edges, places, queues, selected, onSelect]);

  // As high as the graph, so that a small flow does not float in an empty field.
  const all = [...places.nodes.values()];
  const span = (values: number[]) => Math.max(0, ...values) - Math.min(0, ...values);
  const wide = span(all.map((place) => place.x)) + node_px.width + 200;
  const high = span(all.map((place) => place.y)) + node_px.height + 120;
  const height = Math.round(Math.min(height_max, Math.max(260, high * Math.min(1, usual_width_px / wide) + 110)));

  return (
    <div
      className="canvas"
      style={{ height }}
      role="group"
      aria-label={label}
      onKeyDown={(event) => {
        const id = (event.target as Element).getAttribute("data-id");
        if (id === null || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        onSelect?.(id);
      }}
    >
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        fitView
        onlyRenderVisibleElements={graph.nodes.length > 200}
        fitViewOptions={{ padding: 0.12, maxZoom: 1 }}
        minZoom={0.1}
        maxZoom={1.6}
        nodesDraggable={false}
        nodesConnectable={false}
        deleteKeyCode={null}
        zoomOnScroll={false}
        preventScrolling={false}
        panOnDrag
        zoomOnPinch
        proOptions={{ hideAttribution: true }}
        onNodeClick={(_event, node) => onSelect?.(node.id)}
        onEdgeClick={(_event, edge) => onSelect?.(edge.id)}
        onPaneClick={() => onSelect?.("")}
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1} color="var(--line-strong)" />
        <Controls showInteractive={false} />
        {graph.nodes.length > 12 && <MiniMap pannable zoomable ariaLabel="Small map of the flow" nodeColor="var(--line-strong)" maskColor="transparent" />}
      </ReactFlow>
    </div>
  );
}
