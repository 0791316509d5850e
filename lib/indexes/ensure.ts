import { type AnyModel, collectionOf, definitionOf, rootOf } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { IndexConflictError } from '../errors';
import { connected } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { isDuplicate, isUnauthorized } from '../server/permanent';
import { patiently } from '../server/transient';
import { compare, wantedIndexes } from './compare';
import { declare } from './declared';
import { settleDuplicates } from './duplicates';
import { existingIndexes, hasIndex, type TaskIndex } from './existing';
import { changeExpiry, dropExpiry } from './expiry';
import { ensureOutboxes } from './outbox';
import { taskIndexes, waitingIndexes } from './task-indexes';

/** Code names of the server's errors when an existing index conflicts with a new one. */
const CONFLICTS: (string | undefined)[] = ['IndexOptionsConflict', 'IndexKeySpecsConflict'];

/**
 * Creates the missing indexes and updates the expiry of existing ones. `pop()` waits for it once per process; call it in a deploy step
 * to create the indexes earlier. Idempotent; any number of processes may call it at once.
 *
 * @throws {IndexConflictError} when an index of the same name or key exists with another definition.
 * @throws {UnauthorizedError} when an index is missing and the connection's user may not create it.
 * @throws {UnsupportedServerError} when the server cannot create the indexes.
 */
export async function ensureTaskIndexes(model: AnyModel): Promise<void> {
  definitionOf(model);
  await connected(model);
  await ensureAll(model, ensure).catch(throwExplained);
}

/** Creates missing indexes and waits until all are built. The server lists an index as soon as its building has begun. */
export async function awaitTaskIndexes(model: AnyModel): Promise<void> {
  await ensureAll(model, async (one, indexes) => {
    const existing = await ensure(one, indexes);
    await create(one, indexes);
    return existing;
  }).catch(throwExplained);
}

async function ensureAll(model: AnyModel, ensureOf: typeof ensure): Promise<void> {
  const definition = definitionOf(model);
  const isOfBase = definition.kind !== null && !definition.kindOnly;
  if (isOfBase) await ensureAll(baseOf(model), ensureOf);

  const indexes = wantedIndexes(model);
  const existing = await ensureOf(model, indexes).catch((error: { codeName?: string }) => {
    if (!CONFLICTS.includes(error.codeName)) throw error;
    // Another process, of another version perhaps, has just created the missing index.
    return ensureOf(model, indexes);
  });
  if (!isOfBase) await dropExpiry(definition, existing);
  await ensureOutboxes(model);
}

/** Creates indexes besides those of every queue, as `ensureTaskIndexes()` does. */
export async function ensureIndexes(model: AnyModel, indexes: readonly TaskIndex[]): Promise<void> {
  await ensure(model, indexes);
}

/** Compares all indexes, then creates or changes some. Resolves to the indexes that existed before. */
async function ensure(model: AnyModel, indexes: readonly TaskIndex[]): Promise<readonly TaskIndex[]> {
  const existing = await existingIndexes(model).catch(async (error: unknown) => {
    if (!isUnauthorized(error)) throw error;
    await ensureUnlisted(model, indexes);
    return indexes;
  });
  const { missing, outdated, conflicts } = compare(existing, indexes);
  const [first] = conflicts;
  if (first) throw conflict(model, first.wanted, first.found);

  for (const index of outdated) await changeExpiry(model, index);
  if (missing.length > 0) await create(model, missing);

  return existing;
}

// Without the right to list indexes: tries to create them. Without that right too, a query finds out whether each of them exists.
async function ensureUnlisted(model: AnyModel, indexes: readonly TaskIndex[]): Promise<void> {
  try {
    await create(model, indexes);
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
    const found = await Promise.all(indexes.map((index) => hasIndex(model, index)));
    if (found.includes(false)) throw error;
  }
}

async function create(model: AnyModel, indexes: readonly TaskIndex[]): Promise<void> {
  const collection = collectionOf(model);
  const wanted = indexes as Parameters<typeof collection.createIndexes>[0];
  const created = () => patiently(() => collection.createIndexes(wanted));
  await created().catch(async (error: unknown) => {
    if (!isDuplicate(error)) throw error;
    await settleDuplicates(definitionOf(model));
    await created();
  });
}

/** Adds the queue's indexes to the schema, so that `autoIndex` creates them and `syncIndexes()` keeps them. */
export function declareIndexes(model: AnyModel): void {
  const definition = definitionOf(model);
  declare(model, taskIndexes(definition));
  if (hasDependencies(model)) declare(rootOf(model), waitingIndexes(definition));
}

function conflict(model: AnyModel, wanted: TaskIndex, found: TaskIndex): IndexConflictError {
  return new IndexConflictError(
    `An index of ${model.collection.name} differs from the one the queue needs.\n` +
      `  expected: ${JSON.stringify(wanted)}\n  found:    ${JSON.stringify(found)}\n` +
      `Drop it, for example with \`${model.modelName}.collection.dropIndex('${found.name}')\`; \`ensureTaskIndexes()\` creates the right one.`,
  );
}

function baseOf(model: AnyModel): AnyModel {
  return model.db.model(model.baseModelName as string) as AnyModel;
}
