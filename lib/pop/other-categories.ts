import type { Definition } from '../definition/definition';
import { indexName, liveFilter } from '../indexes/claim-index';
import { read } from '../server/read';
import { LOOK_MS } from '../side/look';
import { monotonic } from '../timers';

/** At most this many categories are asked for by name. */
const MAX_CATEGORIES = 100;

interface Known {
  readonly readAt: number;
  readonly names: Promise<unknown[] | null>;
}

const known = new WeakMap<Definition, Known>();

/**
 * The categories of live tasks, null among them for tasks without one, but for those that are paused; null when there are too many. By
 * their names a claim never meets the tasks of a paused category, however many there are. Read at most once per LOOK_MS.
 */
export async function otherCategories(definition: Definition, paused: ReadonlySet<string>): Promise<unknown[] | null> {
  let last = known.get(definition);
  if (!last || monotonic() - last.readAt >= LOOK_MS) {
    last = { readAt: monotonic(), names: readCategories(definition) };
    known.set(definition, last);
    last.names.catch(() => known.delete(definition));
  }
  const names = await last.names;

  return names && names.filter((name) => typeof name !== 'string' || !paused.has(name));
}

// One seek in the index for each category.
async function readCategories(definition: Definition): Promise<unknown[] | null> {
  const { category } = definition.options.fields;
  const first = async (condition: unknown): Promise<unknown[]> => {
    const found = await read(definition.model, {
      filter: { ...liveFilter(definition), [category]: condition },
      hint: indexName(definition, 'category'),
      sort: { [category]: 1 },
      projection: { [category]: 1 },
      limit: 1,
    });
    return found.map((task) => (task[category] as unknown) ?? null);
  };

  const names = await first(null);
  let [next] = await first({ $gte: '' });
  while (typeof next === 'string') {
    if (names.length === MAX_CATEGORIES) return null;
    names.push(next);
    [next] = await first({ $gt: next });
  }

  return names;
}
