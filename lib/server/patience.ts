import type { AnyModel } from '../definition/definition';
import { monotonic } from '../timers';
import { type Find, read } from './read';
import { isTimeExpired } from './transient';

/** A write may take this many times as long as reading its documents: a claim takes three times as long, a mark up to ten times. */
const AS_LONG_AS_READING = 20;
/** The most that a write may take, in milliseconds. */
const MAX_PATIENCE_MS = 5_000;

/** What is written: the documents of a model with these ids. */
export interface Written {
  readonly model: AnyModel;
  readonly ids: readonly unknown[];
  /** What of them is read to tell whether they are slow. Default: all, so that large ones are. */
  readonly projection?: NonNullable<Find['projection']>;
}

/**
 * Runs a write that ends after so many milliseconds because what it writes may be locked. Reading waits for no lock: documents that are slow
 * to read, too, are large, or their server is busy, and they get the time that they need.
 */
export async function withPatience<T>(
  written: Written,
  maxTimeMS: number,
  write: (maxTimeMS: number) => Promise<T>,
): Promise<T> {
  try {
    return await write(maxTimeMS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    const patienceMs = await patienceFor(written);
    if (patienceMs <= maxTimeMS) throw error;

    return write(patienceMs);
  }
}

async function patienceFor({ model, ids, ...how }: Written): Promise<number> {
  const begun = monotonic();
  await read(model, { filter: { _id: { $in: ids } }, limit: ids.length, ...how });

  return Math.min(MAX_PATIENCE_MS, Math.ceil(AS_LONG_AS_READING * (monotonic() - begun)));
}
