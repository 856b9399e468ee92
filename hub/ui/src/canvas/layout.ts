// Places a flow's graph from left to right: each node one column to the right of what feeds it, columns ordered so that few edges cross.
//
// The classic layered drawing (Sugiyama): break cycles, longest path, barycentres. A flow has 5 to 200 processors, so simple passes do.

export interface Placed {
  x: number;
  y: number;
}

interface Edge {
  from: string;
  to: string;
}

interface Numbered extends Edge {
  index: number;
}

export const node_px = { width: 214, height: 88 };
const gap_px = { x: 138, y: 40 };
const passes = 8;
/** A graph with more of them is beyond drawing; its long edges then run straight. */
const stand_ins_max = 5_000;

export interface Layout {
  nodes: Map<string, Placed>;
  /** By index of the edge: the heights at which an edge over several columns passes them, with the left side of each column. */
  ways: Map<number, Placed[]>;
}

export function layout(ids: string[], edges: Edge[]): Layout {
  const known = new Set(ids);
  const numbered = edges.map((edge, index) => ({ ...edge, index }));
  const forward = withoutCycles(ids, numbered.filter((edge) => known.has(edge.from) && known.has(edge.to) && edge.from !== edge.to));
  const column = columns(ids, forward);
  const { order, links } = orderColumns(ids, forward, column);
  return place(order, links, known);
}

function grouped<Item>(items: Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** The edges that do not lead back to a node that is being walked. */
function withoutCycles(ids: string[], edges: Numbered[]): Numbered[] {
  const next = grouped(edges, (edge) => edge.from);
  const done = new Set<string>();
  const open = new Set<string>();
  const kept: Numbered[] = [];
  // An own stack: a flow from a file may be deeper than the engine's.
  const walk = (root: string) => {
    const stack: { id: string; at: number }[] = [{ id: root, at: 0 }];
    open.add(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const edge = next.get(top.id)?.[top.at++];
      if (!edge) {
        open.delete(top.id);
        done.add(top.id);
        stack.pop();
      } else if (!open.has(edge.to)) {
        kept.push(edge);
        if (!done.has(edge.to)) {
          open.add(edge.to);
          stack.push({ id: edge.to, at: 0 });
        }
      }
    }
  };
  const has_input = new Set(edges.map((edge) => edge.to));
  for (const id of [...ids.filter((each) => !has_input.has(each)), ...ids]) if (!done.has(id)) walk(id);
  return kept;
}

function columns(ids: string[], edges: Edge[]): Map<string, number> {
  const column = new Map(ids.map((id) => [id, 0]));
  const waits = new Map<string, number>(ids.map((id) => [id, 0]));
  for (const edge of edges) waits.set(edge.to, waits.get(edge.to)! + 1);
  const next = grouped(edges, (edge) => edge.from);
  const ready = ids.filter((id) => waits.get(id) === 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    for (const edge of next.get(id) ?? []) {
      column.set(edge.to, Math.max(column.get(edge.to)!, column.get(id)! + 1));
      const left = waits.get(edge.to)! - 1;
      waits.set(edge.to, left);
      if (left === 0) ready.push(edge.to);
    }
  }
  return column;
}

/** Edges over several columns get a stand-in in each column between, so that they find a way past its nodes. */
function orderColumns(ids: string[], edges: Numbered[], column: Map<string, number>): { order: string[][]; links: Edge[] } {
  const order: string[][] = [];
  for (const id of ids) (order[column.get(id)!] ??= []).push(id);
  const links: Edge[] = [];
  let stand_ins = 0;
  for (const edge of edges) {
    let from = edge.from;
    for (let at = column.get(edge.from)! + 1; at < column.get(edge.to)! && stand_ins < stand_ins_max; at++, stand_ins++) {
      const stand_in = `\u0000${edge.index}/${at}`;
      order[at]!.push(stand_in);
      links.push({ from, to: stand_in });
      from = stand_in;
    }
    links.push({ from, to: edge.to });
  }
  const before = grouped(links, (link) => link.to);
  const after = grouped(links, (link) => link.from);
  for (let pass = 0; pass < passes; pass++) {
    const down = pass % 2 === 0;
    const range = down ? order.slice(1) : order.slice(0, -1).reverse();
    const position = new Map<string, number>();
    for (const ids_here of order) ids_here.forEach((id, index) => position.set(id, index));
    for (const ids_here of range) {
      const weight = new Map<string, number>();
      ids_here.forEach((id, index) => {
        const near = ((down ? before : after).get(id) ?? []).map((link) => position.get(down ? link.from : link.to)!);
        weight.set(id, near.length ? near.reduce((sum, each) => sum + each, 0) / near.length : index);
      });
      ids_here.sort((a, b) => weight.get(a)! - weight.get(b)!);
      ids_here.forEach((id, index) => position.set(id, index));
    }
  }
  return { order, links };
}

/** Each node as near as it may be to the middle of what feeds it, below its neighbour. */
function place(order: string[][], links: Edge[], known: Set<string>): Layout {
  const y = new Map<string, number>();
  const before = grouped(links, (link) => link.to);
  const step = node_px.height + gap_px.y;
  order.forEach((ids, at) => {
    let free = -Infinity;
    const wished = ids.map((id, index) => {
      const near = (before.get(id) ?? []).map((link) => y.get(link.from)!);
      return at === 0 || near.length === 0 ? index * step : near.reduce((sum, each) => sum + each, 0) / near.length;
    });
    ids.forEach((id, index) => {
      const here = Math.max(wished[index]!, free);
      y.set(id, here);
      free = here + (known.has(id) ? step : step / 2);
    });
    // Pushed down by the neighbours: move the whole column back so that it stands around its wishes.
    const drift = ids.reduce((sum, id, index) => sum + y.get(id)! - wished[index]!, 0) / Math.max(ids.length, 1);
    for (const id of ids) y.set(id, y.get(id)! - drift);
  });
  const nodes = new Map<string, Placed>();
  const ways = new Map<number, Placed[]>();
  order.forEach((ids, at) => {
    for (const id of ids) {
      const here = { x: at * (node_px.width + gap_px.x), y: Math.round(y.get(id)!) };
      if (known.has(id)) {
        nodes.set(id, here);
      } else {
        const index = Number(/^\u0000(\d+)/.exec(id)![1]);
        ways.set(index, [...(ways.get(index) ?? []), here]);
      }
    }
  });
  return { nodes, ways };
}
