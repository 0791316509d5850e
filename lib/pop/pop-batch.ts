import { Batcher, type Caller } from '../batcher';
import { claimOne } from '../claim/claim-one';
import type { ReadyQuery } from '../claim/ready';
import type { Definition, RawDocument } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { claim } from './claim';

/** From this many callers on, one batch is cheaper than a claim for each. */
const WORTH_A_BATCH = 4;

/** So many queries are remembered while nobody calls, each with whether its callers come together. */
const MAX_KEPT = 100;

type Claims = Batcher<ReadyQuery, RawDocument | null>;

const batchers = new WeakMap<Definition, Map<string, Claims>>();

/** Claims the next task for a caller. Calls with the same query that come while a claim is under way are served together. */
export function claimNext(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  const byName = batchers.get(definition) ?? new Map<string, Claims>();
  batchers.set(definition, byName);
  const batcher = byName.get(query.name) ?? new Batcher(serviceOf(definition, query, byName));
  byName.set(query.name, batcher);

  return batcher.call(query);
}

function serviceOf(definition: Definition, query: ReadyQuery, byName: Map<string, Claims>) {
  return {
    serve: (callers: readonly Caller<ReadyQuery, RawDocument | null>[]) => serve(definition, query, callers),
    // There may be any number of categories: those beyond a hundred are forgotten when idle.
    onIdle: () => byName.size > MAX_KEPT && byName.delete(query.name),
  };
}

async function serve(
  definition: Definition,
  query: ReadyQuery,
  callers: readonly Caller<ReadyQuery, RawDocument | null>[],
): Promise<void> {
  if (!hasDependencies(definition.model) && callers.length < WORTH_A_BATCH) {
    await Promise.all(callers.map(({ resolve, reject }) => claimOne(definition, query).then(resolve, reject)));
    return;
  }
  const claimed = await claim(definition, query, callers.length);
  callers.forEach(({ resolve }, index) => resolve(claimed[index] ?? null));
}
