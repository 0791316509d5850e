import type { mongo } from 'mongoose';
import { addTo, bucketOf, type Buckets } from './histogram';

/** The outcomes that are counted. What was given back, or lost, has no outcome yet. */
export const COUNTED = ['finished', 'failed', 'retried', 'cancelled'] as const;

const MINUTE_MS = 60_000;
/** For how many minutes counts are kept that could not be written. */
const MAX_KEPT = 2;

type Counts = Record<string, number>;

/** What was done in one minute with the tasks of one model. */
interface Tally {
  readonly at: number;
  readonly model: string;
  readonly expiresAt: Date;
  readonly counts: Counts;
  readonly wait: Buckets;
  readonly run: Buckets;
}

/** Counts what becomes of tasks, by minute and model, until it is written down. */
export class Tallies {
  #tallies = new Map<string, Tally>();

  get isEmpty(): boolean {
    return this.#tallies.size === 0;
  }

  /** Counts one task. Times are in milliseconds, null where they are not known. */
  add(
    { model, now, keptSeconds }: { model: string; now: Date; keptSeconds: number },
    outcome: string,
    waitMs: number | null,
    runMs: number | null,
  ): void {
    if (!(COUNTED as readonly string[]).includes(outcome)) return;
    const at = now.getTime() - (now.getTime() % MINUTE_MS);
    const key = `${at} ${model}`;
    let tally = this.#tallies.get(key);
    if (!tally) {
      const expiresAt = new Date(at + keptSeconds * 1_000);
      tally = { at, model, expiresAt, counts: {}, wait: new Map(), run: new Map() };
      this.#tallies.set(key, tally);
    }
    tally.counts[outcome] = (tally.counts[outcome] ?? 0) + 1;
    if (waitMs !== null) addTo(tally.wait, bucketOf(waitMs));
    if (runMs !== null) addTo(tally.run, bucketOf(runMs));
  }

  /** Takes out all that was counted. */
  take(): Tallies {
    const taken = new Tallies();
    taken.#tallies = this.#tallies;
    this.#tallies = new Map();

    return taken;
  }

  /** Puts back what could not be written, but for what is too old. */
  putBack(taken: Tallies): void {
    const newest = Math.max(...[...this.#tallies.values(), ...taken.#tallies.values()].map(({ at }) => at));
    for (const [key, { counts, wait, run, ...minute }] of taken.#tallies) {
      if (minute.at < newest - MAX_KEPT * MINUTE_MS) continue;
      const now: Tally = this.#tallies.get(key) ?? { ...minute, counts: {}, wait: new Map(), run: new Map() };
      this.#tallies.set(key, now);
      for (const [name, count] of Object.entries(counts)) now.counts[name] = (now.counts[name] ?? 0) + count;
      for (const [bucket, count] of wait) addTo(now.wait, bucket, count);
      for (const [bucket, count] of run) addTo(now.run, bucket, count);
    }
  }

  /** The statements that add all of it to the history. */
  statements(): mongo.AnyBulkWriteOperation<mongo.Document>[] {
    return [...this.#tallies.values()].map(({ at, model, expiresAt, counts, wait, run }) => ({
      updateOne: {
        filter: { _id: { at: new Date(at), model } as never },
        update: { $inc: { ...counts, ...named('wait', wait), ...named('run', run) }, $max: { expiresAt } },
        upsert: true,
      },
    }));
  }
}

function named(name: string, buckets: Buckets): Counts {
  return Object.fromEntries([...buckets].map(([bucket, count]) => [`${name}.${bucket}`, count]));
}
