/** The graph of a task's dependencies, drawn. Its nodes are links; the same is written in words beside it. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Graph as GraphAnswer, GraphNode } from '../../api';
import { Icon } from '../parts/icon';
import { addressOfTask } from '../route';
import { toneOf } from '../words';
import { NODE, place, type PlacedEdge, short } from './graph-layout';

const SCALES = [0.5, 0.7, 0.85, 1, 1.25, 1.5];

export function Graph({ graph }: { graph: GraphAnswer }) {
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setRoom(Math.floor(entry?.contentRect.width ?? 0)));
    watch.observe(box.current!);

    return () => watch.disconnect();
  }, []);
  const direction = room < 620 ? 'TB' : 'LR';
  const shape = JSON.stringify([graph.nodes.map(({ key }) => key), graph.edges]);
  const placed = useMemo(() => place(graph, direction), [shape, direction]);
  const [chosen, choose] = useState<number>();
  const fitting = SCALES.findLast((scale) => scale <= 1 && placed.width * scale <= room) ?? SCALES[0]!;
  const scale = chosen ?? fitting;
  const zoom = (step: 1 | -1) => choose(SCALES[Math.min(Math.max(SCALES.indexOf(scale) + step, 0), SCALES.length - 1)]);
  const now = new Map(graph.nodes.map((node) => [node.key, node]));
  const circle = new Set(graph.cycle);
  const kept = new Set(graph.edges.filter(({ holds }) => holds).map(({ from }) => from));
  const stateOf = ({ key, state }: GraphNode) => (state === 'CREATED' && kept.has(key) ? 'blocked' : state);

  return (
    <div class="graph">
      <div class="graph-box" ref={box} tabIndex={0} role="group" aria-label="Graph of the dependencies">
        <svg
          width={placed.width * scale}
          height={placed.height * scale}
          viewBox={`0 0 ${placed.width} ${placed.height}`}
        >
          <Arrows />
          {placed.edges.map((edge, index) => (
            <Edge key={index} edge={edge} circle={circle.has(edge.from) && circle.has(edge.to)} />
          ))}
          {placed.nodes.map(({ x, y, key, ...then }) => (
            <Node
              key={key}
              node={{ ...then, key, ...now.get(key), state: stateOf(now.get(key) ?? { ...then, key }) }}
              at={{ x, y }}
              isCurrent={key === graph.nodes[0]?.key}
              circle={circle.has(key)}
            />
          ))}
        </svg>
      </div>
      <div class="zoom">
        <button type="button" class="quiet square" aria-label="Smaller" onClick={() => zoom(-1)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="quiet square" aria-label="Bigger" onClick={() => zoom(1)}>
          <Icon name="plus" />
        </button>
      </div>
    </div>
  );
}

const ENDS = ['holds', 'over', 'circle'] as const;

function Arrows() {
  return (
    <defs>
      {ENDS.map((name) => (
        <marker
          key={name}
          id={`arrow-${name}`}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="8"
          markerHeight="8"
          orient="auto"
        >
          <path class={`arrow ${name}`} d="M0 0.5 7.500 4 0 7.500z" />
        </marker>
      ))}
    </defs>
  );
}

function Edge({ edge: { line, label, at, holds, reason, path, type }, circle }: { edge: PlacedEdge; circle: boolean }) {
  const kind = circle ? 'circle' : holds ? 'holds' : 'over';

  return (
    <g class={`edge ${kind}`}>
      <title>{`${path} (${type}): ${reason}`}</title>
      <path d={line} marker-end={`url(#arrow-${kind})`} />
      {label && (
        <>
          <rect x={at.x - at.width / 2} y={at.y - 9} width={at.width} height={18} rx={9} />
          <text x={at.x} y={at.y + 3.5}>
            {label}
          </text>
        </>
      )}
    </g>
  );
}

interface NodeProps {
  node: GraphNode;
  at: { x: number; y: number };
  isCurrent: boolean;
  circle: boolean;
}

function Node({ node, at, isCurrent, circle }: NodeProps) {
  const { model, label, state, exists, task, id } = node;
  const status = exists ? (state ?? 'document').toLowerCase() : 'gone';
  const drawn = (
    <g
      class={`node ${isCurrent ? 'current' : ''} ${circle ? 'circle' : ''} ${exists ? '' : 'gone'}`}
      data-tone={toneOf(exists ? state : null)}
      transform={`translate(${at.x - NODE.width / 2} ${at.y - NODE.height / 2})`}
    >
      <title>{`${model} ${label}: ${status}`}</title>
      <rect width={NODE.width} height={NODE.height} rx={8} />
      <rect class="edge-of-node" width={4} height={NODE.height - 16} x={7} y={8} rx={2} />
      <text class="node-label" x={20} y={21}>
        {short(label, 22)}
      </text>
      <text class="node-state" x={20} y={39}>
        {status}
        <tspan class="node-model" dx={6}>
          {short(model, 16)}
        </tspan>
      </text>
    </g>
  );

  return task && exists && !isCurrent ? <a href={addressOfTask(model, id)}>{drawn}</a> : drawn;
}
