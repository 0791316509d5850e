import type { AnyModel } from '../definition/definition';
import { read } from '../server/read';
import { isTimeExpired } from '../server/transient';
import { monotonic } from '../timers';

/** A claim may take this many times as long as reading its tasks. */
const AS_LONG_AS_READING = 10;
/** The most that a claim may take, in milliseconds. */
const MAX_PATIENCE_MS = 5_000;

/**
 * Runs a claim that ends after so many milliseconds because what it claims may be locked. Reading waits for no lock: tasks that are slow
 * to read, too, are large, or their server is busy, and they get the time that they need.
 */
export async function withPatience<T>(
  model: AnyModel,
  ids: readonly unknown[],
  maxTimeMS: number,
  claim: (maxTimeMS: number) => Promise<T>,
): Promise<T> {
  try {
    return await claim(maxTimeMS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    const patienceMs = await patienceFor(model, ids);
    if (patienceMs <= maxTimeMS) throw error;

    return claim(patienceMs);
  }
}

async function patienceFor(model: AnyModel, ids: readonly unknown[]): Promise<number> {
  const begun = monotonic();
  await read(model, { filter: { _id: { $in: ids } }, limit: ids.length });

  return Math.min(MAX_PATIENCE_MS, Math.ceil(AS_LONG_AS_READING * (monotonic() - begun)));
}
