import type { GraphEdge, GraphNode } from '../../../lib/dashboard/api';
import { NODE, place, short } from '../../../lib/dashboard/page/views/graph-layout';

const node = (key: string): GraphNode => ({
  key,
  model: 'Task',
  id: key,
  label: key,
  state: 'CREATED',
  task: true,
  exists: true,
});
const edge = (from: string, to: string, path = 'after'): GraphEdge => ({
  from,
  to,
  path,
  type: 'DIRECT',
  holds: true,
  reason: 'not done yet',
});

describe('the place of tasks in a graph', () => {
  it.each(['LR', 'TB'] as const)('is behind what they wait for: %s', (direction) => {
    const { nodes, width, height } = place(
      { nodes: ['last', 'middle', 'first'].map(node), edges: [edge('last', 'middle'), edge('middle', 'first')] },
      direction,
    );
    const at = (key: string) => nodes.find((one) => one.key === key)![direction === 'LR' ? 'x' : 'y'];

    expect(at('first')).toBeLessThan(at('middle'));
    expect(at('middle')).toBeLessThan(at('last'));
    for (const { x, y } of nodes) {
      expect(x + NODE.width / 2).toBeLessThanOrEqual(width);
      expect(y + NODE.height / 2).toBeLessThanOrEqual(height);
    }
  });

  it('is found for a circle, and for two dependencies between the same tasks', () => {
    const edges = [edge('a', 'b'), edge('b', 'a'), edge('a', 'b', 'also')];
    const placed = place({ nodes: ['a', 'b'].map(node), edges }, 'LR');

    expect(placed.edges.map(({ from, to, path }) => [from, to, path])).toEqual([
      ['a', 'b', 'after'],
      ['b', 'a', 'after'],
      ['a', 'b', 'also'],
    ]);
    expect(new Set(placed.edges.map(({ line }) => line)).size).toBe(3);
  });

  it('leaves out what leads to a task that is not there', () => {
    expect(place({ nodes: [node('a')], edges: [edge('a', 'gone')] }, 'LR').edges).toEqual([]);
  });

  it('does not depend on names that mean something to an object', () => {
    const placed = place(
      { nodes: ['__proto__', 'constructor'].map(node), edges: [edge('__proto__', 'constructor')] },
      'LR',
    );

    expect(placed.nodes.map(({ key, x }) => [key, Number.isFinite(x)])).toEqual([
      ['__proto__', true],
      ['constructor', true],
    ]);
  });

  it('says what is too long in short, whole where it fits', () => {
    expect([short('abcdef', 6), short('abcdefg', 6)]).toEqual(['abcdef', 'abcde…']);
  });
});
