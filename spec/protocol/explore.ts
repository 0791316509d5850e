/** What can happen next: its name, the state it leads to, and the property it breaks, if it breaks one by itself. */
export type Step<State> = readonly [name: string, next: State, broken?: string | undefined];

/**
 * A protocol as a graph of states. A state is plain data and never changed in place. Each step is one atomic operation on a document, one
 * read, or one thing that happens to a process or a server, so that every interleaving of them is a path of the graph.
 */
export interface Model<State> {
  readonly start: State;
  /** Everything that can happen in a state. */
  readonly steps: (state: State) => Iterable<Step<State>>;
  /** The property that a state breaks, if it breaks one. */
  readonly broken?: (state: State) => string | undefined;
}

export interface Exploration {
  /** States that were seen: all that can be reached, unless one broke a property. */
  readonly states: number;
  /** What a shortest way to a broken property was, step by step. */
  readonly violation: { readonly property: string; readonly steps: readonly string[] } | null;
}

/** The way to a state, without the states between: they are dropped once what follows them is known. */
interface Way {
  readonly from: Way | null;
  readonly step: string;
}

/** Visits every state that can be reached, nearest first, until one breaks a property. */
export function explore<State>({ start, steps, broken = () => undefined }: Model<State>): Exploration {
  const seen = new Set([JSON.stringify(start)]);
  const stopped = (property: string, way: Way | null) => ({
    states: seen.size,
    violation: { property, steps: stepsOf(way) },
  });
  const atStart = broken(start);
  if (atStart !== undefined) return stopped(atStart, null);

  let frontier: { state: State; way: Way | null }[] = [{ state: start, way: null }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { state, way } of frontier)
      for (const [step, reached, breach] of steps(state)) {
        if (breach !== undefined) return stopped(breach, { from: way, step });
        const key = JSON.stringify(reached);
        if (seen.has(key)) continue;
        seen.add(key);
        const extended = { from: way, step };
        const property = broken(reached);
        if (property !== undefined) return stopped(property, extended);
        next.push({ state: reached, way: extended });
      }
    frontier = next;
  }

  return { states: seen.size, violation: null };
}

/** A copy of a list with another entry at one place. */
export function replaced<Entry>(list: readonly Entry[], index: number, entry: Entry): Entry[] {
  return list.map((one, at) => (at === index ? entry : one));
}

function stepsOf(end: Way | null): string[] {
  const steps: string[] = [];
  for (let way = end; way; way = way.from) steps.unshift(way.step);

  return steps;
}
