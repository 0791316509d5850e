import type { AnyModel, AnySchema } from '../definition/definition';
import { type Collation, collationOfCollection, type TaskIndex } from './existing';

const declared = new WeakMap<AnySchema, Map<string, TaskIndex>>();

/** Adds indexes to the schema of a model, so that `autoIndex` creates them and `syncIndexes()` keeps them. */
// Not by `schema.index()`, which would also add them to every schema that embeds this one.
export function declare(model: AnyModel, indexes: readonly TaskIndex[]): void {
  const schema = model.schema as AnySchema;
  const ours = declared.get(schema) ?? new Map<string, TaskIndex>();
  for (const index of indexes) ours.set(index.name, index);
  if (schema.get('collation')) keepCollation(model);
  if (declared.has(schema)) return;

  declared.set(schema, ours);
  const { indexes: others } = schema;
  schema.indexes = function () {
    const collation = collations.get(schema);
    const own = [...ours.values()].map(({ key, ...options }) => [
      { ...key },
      { ...options, ...(collation && { collation }) },
    ]);
    return [...others.call(this), ...own] as ReturnType<AnySchema['indexes']>;
  };
}

/** For schemas with a collation of their own: the collation of the collection, as last read. */
const collations = new WeakMap<AnySchema, Collation>();
const kept = new WeakSet<AnyModel>();

// Mongoose gives the collation of a schema to every index without one. The queue's indexes need the collation of the collection, by which
// the queue's queries compare: it differs from the schema's where the collection was created by its first insert.
function keepCollation(model: AnyModel): void {
  if (kept.has(model)) return;
  kept.add(model);
  for (const name of ['ensureIndexes', 'diffIndexes'] as const) {
    const original = model[name] as (this: AnyModel, ...rest: unknown[]) => Promise<unknown>;
    const learning = async function (this: AnyModel, ...rest: unknown[]) {
      const collation = (await read(model)) ?? (name === 'ensureIndexes' ? await created(model) : null);
      if (collation) collations.set(model.schema as AnySchema, collation);
      return original.apply(this, rest);
    };
    Object.assign(model, { [name]: learning });
  }
}

const read = (model: AnyModel): Promise<Collation | null> => collationOfCollection(model).catch(() => null);

// The first index would create the collection without a collation, or lose the race against a call that creates it with that of the schema.
async function created(model: AnyModel): Promise<Collation | null> {
  await model.createCollection().catch(() => {});

  return read(model);
}
