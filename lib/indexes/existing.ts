import { isDeepStrictEqual } from 'node:util';
import type { mongo } from 'mongoose';
import { type AnyModel, collectionOf } from '../definition/definition';
import { read } from '../server/read';
import { isMissingIndex, persistently } from '../server/transient';

/** An index as the server describes it. */
export interface TaskIndex {
  name: string;
  key: Record<string, number>;
  unique?: boolean;
  partialFilterExpression?: Record<string, unknown>;
  expireAfterSeconds?: number;
}

/** The rules by which texts are compared. */
export interface Collation {
  readonly locale: string;
}

const SIMPLE: Collation = { locale: 'simple' };
const COMPARED = ['unique', 'partialFilterExpression', 'sparse', 'collation'] as const;

/**
 * The indexes of a collection. A collation that an index shares with its collection is left out: the queue's queries have it too, so it is
 * no difference.
 */
export async function existingIndexes(model: AnyModel): Promise<TaskIndex[]> {
  const found = await listIndexes(model);
  const inherited = collationOf(found);

  return found.map(({ collation, ...index }) =>
    collation === undefined || isDeepStrictEqual(collation, inherited) ? index : { ...index, collation },
  ) as unknown as TaskIndex[];
}

/** Whether a collection has an index of this name, found out by a query that hints it: that needs only the right to read. */
export async function hasIndex(model: AnyModel, { name, partialFilterExpression = {} }: TaskIndex): Promise<boolean> {
  try {
    await read(model, { filter: partialFilterExpression, projection: { _id: 1 }, limit: 1, hint: name });
    return true;
  } catch (error) {
    if (!isMissingIndex(error)) throw error;
    return false;
  }
}

/** The collation of a collection: its queries and indexes have it unless they name another. Null where there is no collection. */
export async function collationOfCollection(model: AnyModel): Promise<Collation | null> {
  const found = await listIndexes(model);

  return found.length === 0 ? null : (collationOf(found) ?? SIMPLE);
}

function collationOf(indexes: readonly mongo.IndexDescriptionInfo[]): Collation | undefined {
  return indexes.find(({ name }) => name === '_id_')?.['collation'] as Collation | undefined;
}

function listIndexes(model: AnyModel): Promise<mongo.IndexDescriptionInfo[]> {
  return persistently(() => collectionOf(model).indexes()).catch((error: { codeName?: string }) => {
    if (error.codeName === 'NamespaceNotFound') return [];
    throw error;
  });
}

// The expiry is not compared: it is the one difference that can be changed in place.
export function sameIndex(found: TaskIndex, wanted: TaskIndex): boolean {
  const sameKey = isDeepStrictEqual(Object.entries(found.key), Object.entries(wanted.key));
  const one = found as unknown as Record<string, unknown>;
  const other = wanted as unknown as Record<string, unknown>;

  return (
    sameKey &&
    COMPARED.every((option) => isDeepStrictEqual(one[option], other[option]) || isSimple(one[option], other[option]))
  );
}

// MongoDB 9 reports the default collation, earlier servers leave it out.
function isSimple(found: unknown, wanted: unknown): boolean {
  return wanted === undefined && (found as { locale?: string } | undefined)?.locale === 'simple';
}
