import type { AnyModel } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { clockOf } from '../server/clock';
import { explained } from '../server/explain-error';
import { isMissingIndex } from '../server/transient';
import { awaitTaskIndexes, ensureTaskIndexes } from './ensure';

const prepared = new WeakMap<AnyModel, Promise<void>>();

/** Models that are only looked at: no operation of theirs creates an index. */
const looked = new WeakSet<AnyModel>();

/** From now on the model's operations take the indexes as they are, and fail where one is missing. `ensureTaskIndexes()` creates it all the same. */
export function takeIndexesAsTheyAre(model: AnyModel): void {
  looked.add(model);
}

/** Resolves once the server was found to be new enough and the indexes exist. The work is done once per model and process. */
export function indexesReady(model: AnyModel): Promise<void> {
  let ready = prepared.get(model);
  if (!ready) {
    ready = prepare(model);
    prepared.set(model, ready);
    ready.catch(() => prepared.delete(model));
  }

  return ready;
}

/** Makes the next operation look for the indexes again, because they were dropped. */
export function forgetIndexes(model: AnyModel): void {
  prepared.delete(model);
}

/** Runs an operation that hints an index. If the index was dropped or is still being built, waits for it and runs the operation again. */
export async function withIndexes<T>(model: AnyModel, operation: () => Promise<T>): Promise<T> {
  await indexesReady(model);
  try {
    return await operation();
  } catch (error) {
    if (!isMissingIndex(error) || looked.has(model)) throw explained(error);
    forgetIndexes(model);
    await awaitTaskIndexes(model);
    await indexesReady(model);

    return operation();
  }
}

async function prepare(model: AnyModel): Promise<void> {
  const clock = await clockOf(model);
  requireSettings(model);
  await clock.now();
  if (!looked.has(model)) await ensureTaskIndexes(model);
}
