import { mongo } from 'mongoose';
import type { Definition, Filter } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { claimOrder, indexName, liveFilter } from '../indexes/claim-index';
import { wrongValue } from '../values/check';

/** One category, several, or all of them when undefined. */
export type Category = string | readonly string[] | ReadonlySet<string>;

/** How the ready tasks of a model are read: filter, order and index belong together and live here. */
export interface ReadyQuery {
  /** Equal for queries of one model that ask for the same tasks. */
  readonly name: string;
  readonly filter: Filter;
  /** Name of the index that serves filter and order. */
  readonly hint: string;
  readonly order: Readonly<Record<string, 1 | -1>>;
  /** Whether the query must sort: with several categories the index alone would give one category after the other. */
  readonly mustSort: boolean;
}

// Comparing with the smallest value also matches documents without a priority, and bounds the index on it.
const ANY_PRIORITY = { $gte: new mongo.MinKey() };

const ofAll = new WeakMap<Definition, ReadyQuery>();

/** The tasks that can be claimed now, by the server's clock alone. */
export function readyQuery(definition: Definition, category?: Category): ReadyQuery {
  const known = category === undefined ? ofAll.get(definition) : undefined;
  if (known) return known;

  const query = makeQuery(definition, category);
  if (category === undefined) ofAll.set(definition, query);
  return query;
}

function makeQuery(definition: Definition, category?: Category): ReadyQuery {
  return queryOf(definition, category === undefined ? null : categoriesOf(definition, category));
}

/** The query for tasks of these categories, null among them for tasks without one; of all for null. */
export function queryOf(definition: Definition, categories: readonly unknown[] | null): ReadyQuery {
  const { fields } = definition.options;
  const filter = {
    ...liveFilter(definition),
    ...(categories && { [fields.category]: categories.length === 1 ? categories[0] : { $in: categories } }),
    [fields.priority]: ANY_PRIORITY,
    $expr: { $lte: ['$_task.availableAt', '$$NOW'] },
  };

  return {
    name: categories ? JSON.stringify(categories) : '',
    filter,
    hint: indexName(definition, categories ? 'category' : 'claim'),
    order: claimOrder(definition),
    mustSort: categories !== null && categories.length > 1,
  };
}

export function categoriesOf(definition: Definition, category: Category): string[] {
  const { model, options } = definition;
  if (!options.category) {
    throw new InvalidOptionError(
      `Expected no \`category\` for ${model.modelName}, because its tasks have none. Write \`taskQueue(schema, { category: true })\` to give them one.`,
    );
  }

  const categories = namesIn(category);
  if (categories.length === 0 || !categories.every((name) => typeof name === 'string')) {
    throw wrongValue('category', 'a text, or an array or Set of at least one', category, "`category: 'reports'`");
  }

  return [...new Set(categories)];
}

function namesIn(category: unknown): unknown[] {
  if (typeof category === 'string') return [category];

  return Array.isArray(category) || category instanceof Set ? [...(category as Iterable<unknown>)] : [];
}
