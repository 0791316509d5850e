import { categoriesOf, type Category, queryOf, type ReadyQuery, readyQuery } from '../claim/ready';
import type { Definition, Filter } from '../definition/definition';
import { kindKey } from '../dependencies/references';
import type { PauseEntry } from '../side/collection';
import { controlOf, recentControl } from '../side/control';
import { type Paused, pausedIn } from '../side/pause';
import { otherCategories } from './other-categories';

/**
 * Calls `use` with the query for the ready tasks that are not paused. Resolves to `none` when all that is asked for is paused. It knows of
 * pauses that are 750 ms old.
 */
export function withOpenQuery<T>(
  definition: Definition,
  category: Category | undefined,
  use: (query: ReadyQuery) => Promise<T>,
  none: T,
): Promise<T> {
  // Most pops come soon after a look that found no pause. They are spared some promises.
  if (recentControl(definition.model)?.pauses.length === 0) return use(readyQuery(definition, category));

  return openQuery(definition, category).then((query) => (query ? use(query) : none));
}

/** As `withOpenQuery()`, for callers in no hurry. */
export async function openQuery(definition: Definition, category: Category | undefined): Promise<ReadyQuery | null> {
  const control = await controlOf(definition.model);
  if (control.pauses.length === 0) return readyQuery(definition, category);
  const paused = pausedIn(definition, control);
  if (paused.isWhole) return null;

  const query = await ofCategories(definition, category, paused);
  return query && withoutKinds(definition, query, paused.kinds);
}

async function ofCategories(
  definition: Definition,
  category: Category | undefined,
  { categories: paused }: Paused,
): Promise<ReadyQuery | null> {
  if (paused.size === 0) return readyQuery(definition, category);
  if (category === undefined) {
    const others = await otherCategories(definition, paused);
    if (others) return others.length > 0 ? queryOf(definition, others) : null;

    return narrowed(readyQuery(definition), { [definition.options.fields.category]: { $nin: [...paused] } });
  }
  const open = categoriesOf(definition, category).filter((name) => !paused.has(name));

  return open.length > 0 ? queryOf(definition, open) : null;
}

// The kind is in no index of the base: tasks of a paused kind are walked past.
function withoutKinds(definition: Definition, query: ReadyQuery, kinds: readonly PauseEntry[]): ReadyQuery {
  if (kinds.length === 0) return query;
  const { model } = definition;
  // A process need not know the kinds that others have paused.
  const key = kindKey(model) ?? (model.schema.get('discriminatorKey') as string);
  const { category: path } = definition.options.fields;

  return narrowed(query, {
    $nor: kinds.map(({ kind, category }) => ({ [key]: kind, ...(category !== null && { [path]: category }) })),
  });
}

function narrowed(query: ReadyQuery, filter: Filter): ReadyQuery {
  return { ...query, name: `${query.name} ${JSON.stringify(filter)}`, filter: { ...query.filter, ...filter } };
}
