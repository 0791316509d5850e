/** What a task waits for and what waits for it: as a graph, and in words. */
import { useEffect, useState } from 'preact/hooks';
import type { Graph as GraphAnswer, GraphEdge, GraphNode, TaskDetails } from '../../api';
import { path } from '../client';
import { lazy } from '../lazy';
import { Missing, Notice } from '../parts/notice';
import { StateBadge } from '../parts/state';
import { Text } from '../parts/text';
import { useResource } from '../resource';
import { addressOfTask } from '../route';
import { plural } from '../words';

const Graph = lazy(async () => (await import('./graph')).Graph);

interface Props {
  model: string;
  id: string;
  blockedBy: TaskDetails['blockedBy'];
}

export function Dependencies({ model, id, blockedBy }: Props) {
  const [models, setModels] = useState([model]);
  const graph = useResource<GraphAnswer>(path('graph', { model, id }), { models, everyMs: 3_000 });
  const { data } = graph;
  const of = [...new Set([model, ...(data?.nodes ?? []).map((node) => node.model)])];
  useEffect(() => setModels(of), [of.join('\n')]);
  const alone = data !== undefined && data.edges.length === 0;
  const circle = data?.cycle?.map((key) => data.nodes.find((node) => node.key === key)?.label ?? key);

  return (
    <section class="card" aria-labelledby="dependencies">
      <h2 id="dependencies">Dependencies</h2>
      <Missing of={graph} />
      {circle && (
        <Notice tone="bad" icon="circle">
          These tasks wait for each other and never begin: {[...circle, circle[0]].join(' → ')}. Cancel one, or change
          what it waits for.
        </Notice>
      )}
      {data?.cut && <Notice tone="warning">There are more than are shown here.</Notice>}
      {alone && blockedBy.length === 0 && <p class="muted pad">It waits for nothing, and nothing waits for it.</p>}
      {blockedBy.length > 0 && (
        <ul class="blockers" aria-label="Waits for">
          {blockedBy.map(({ text, state, model: of, id: blocker }) => (
            <li key={`${text} ${blocker}`}>
              <span class="muted">Waits for</span>{' '}
              {of && blocker && data?.nodes.some((node) => node.id === blocker && node.task) ? (
                <a href={addressOfTask(of, blocker)}>
                  <Text of={text} />
                </a>
              ) : (
                <Text of={text} />
              )}{' '}
              {state && <StateBadge state={state} />}
            </li>
          ))}
        </ul>
      )}
      {data && !alone && (
        <>
          <Graph graph={data} />
          <InWords graph={data} />
        </>
      )}
    </section>
  );
}

function InWords({ graph: { nodes, edges } }: { graph: GraphAnswer }) {
  const node = new Map(nodes.map((one) => [one.key, one]));

  return (
    <details class="in-words">
      <summary>{plural(edges.length, 'dependency', 'dependencies')} in words</summary>
      <ul>
        {edges.map((edge) => (
          <li key={`${edge.from} ${edge.to} ${edge.path}`}>
            <Name of={node.get(edge.from)} /> {edge.holds ? 'waits for' : 'waited for'} <Name of={node.get(edge.to)} />
            <span class="muted"> {detailOf(edge)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Name({ of }: { of: GraphNode | undefined }) {
  if (!of) return <>?</>;
  const text = `${of.model} ${of.label}`;

  return of.task && of.exists ? <a href={addressOfTask(of.model, of.id)}>{text}</a> : <span>{text}</span>;
}

function detailOf({ path: by, type, reason }: GraphEdge): string {
  return `by ${by} (${type.toLowerCase().replace('_', ' ')})${reason && `: ${reason}`}`;
}
