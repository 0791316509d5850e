/** Where each task and each dependency of a graph is drawn. What is waited for comes before what waits for it. */
import dagre from '@dagrejs/dagre';
import type { Graph, GraphEdge, GraphNode } from '../../api';

export const NODE = { width: 176, height: 52 } as const;
const LETTER = 6;
const LONGEST_REASON = 30;

export interface Placed {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly (GraphNode & { x: number; y: number })[];
  readonly edges: readonly PlacedEdge[];
}

export interface PlacedEdge extends GraphEdge {
  readonly line: string;
  readonly label: string;
  readonly at: { readonly x: number; readonly y: number; readonly width: number };
}

interface Point {
  x: number;
  y: number;
}

export function place({ nodes, edges }: Pick<Graph, 'nodes' | 'edges'>, direction: 'LR' | 'TB'): Placed {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 18, ranksep: 36, edgesep: 10, marginx: 12, marginy: 12 });
  // By number: dagre keeps names in objects, where some of them mean something else.
  const names = new Map(nodes.map(({ key }, index) => [key, String(index)]));
  for (const name of names.values()) graph.setNode(name, { ...NODE });
  const known = edges.filter(({ from, to }) => names.has(from) && names.has(to));
  const ends = ({ from, to }: GraphEdge, index: number) => [names.get(to)!, names.get(from)!, String(index)] as const;
  known.forEach((edge, index) => {
    const size = { width: widthOf(edge), height: 18, labelpos: 'c' as const };
    const [from, to, name] = ends(edge, index);
    graph.setEdge(from, to, size, name);
  });
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };

  return {
    width,
    height,
    nodes: nodes.map((node) => ({ ...node, ...centre(graph.node(names.get(node.key)!)) })),
    edges: known.map((edge, index) => {
      const placed = graph.edge(...ends(edge, index)) as Point & { points: Point[]; width: number };
      return {
        ...edge,
        line: curve(placed.points),
        label: short(edge.reason),
        at: { ...centre(placed), width: widthOf(edge) },
      };
    }),
  };
}

export function short(text: string, longest = LONGEST_REASON): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

function widthOf({ reason }: GraphEdge): number {
  return reason ? short(reason).length * LETTER + 12 : 0;
}

function centre({ x, y }: Point): Point {
  return { x, y };
}

/** A smooth line through the points, by curves that meet halfway between them. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  const last = rest.pop() ?? first;
  const through = rest.map((point, index) => {
    const next = rest[index + 1] ?? last;
    return `Q${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}`;
  });

  return `M${first.x} ${first.y}${through.join('')}L${last.x} ${last.y}`;
}
