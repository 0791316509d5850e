import { type AnyModel, definitionOf } from '../definition/definition';
import { connected, serverNow } from '../server/clock';
import { isUnauthorized } from '../server/permanent';
import { NEWEST, only } from '../server/read';
import { persistently } from '../server/transient';
import { refuseUnknown, requireInteger } from '../values/check';
import { groupBy } from '../values/group';
import { sideOf } from './collection';
import { addTo, type Buckets, type Percentiles, percentilesOf } from './histogram';
import { COUNTED } from './tally';

/** Options of `history()`. */
export interface HistoryOptions {
  /** How many minutes, from 1 to 2 880, the one that has begun included. Default: 60. */
  minutes?: number | undefined;
}

interface Outcomes extends Record<(typeof COUNTED)[number], number> {
  /** Tasks that were finished. */
  finished: number;
  /** Tasks that failed for good. */
  failed: number;
  /** Attempts that failed, with another to follow. */
  retried: number;
  /** Tasks that were cancelled while a worker had them. */
  cancelled: number;
}

/** What workers did in one minute. */
export interface HistoryMinute extends Outcomes {
  /** When the minute began, by the server's clock. */
  at: Date;
  /** How long tasks waited from their due time to their start. */
  waitMs: Percentiles;
  /** How long their handlers ran, with the settle. */
  runMs: Percentiles;
}

interface Stored extends Partial<Outcomes> {
  readonly _id: { readonly at: Date; readonly model: string };
  readonly wait?: Record<string, number>;
  readonly run?: Record<string, number>;
}

const MINUTE_MS = 60_000;
const MAX_MINUTES = 2_880;

/** What workers did, minute by minute. See `TaskStatics.history`. */
export async function history(model: AnyModel, options: HistoryOptions = {}): Promise<HistoryMinute[]> {
  refuseUnknown(options, ['minutes'], 'history()');
  const { minutes = 60 } = options;
  requireInteger('minutes', minutes, 1, MAX_MINUTES, 'minutes', '`history({ minutes: 60 })`');
  definitionOf(model);
  await connected(model);
  const from = await beginning(model, minutes);
  const stored = groupBy(await readSince(model, from), ({ _id }) => _id.at.toISOString());

  return Array.from({ length: minutes }, (_, index) => {
    const at = new Date(from.getTime() + index * MINUTE_MS);
    return minuteOf(at, stored.get(at.toISOString()) ?? []);
  });
}

/** How many tasks workers finished and failed in the last hour; 0 where nobody writes that down. */
export async function lastHour(model: AnyModel): Promise<Pick<Outcomes, 'finished' | 'failed'>> {
  if (!definitionOf(model).options.history) return { finished: 0, failed: 0 };
  const stored = await readSince(model, await beginning(model, 60), ['_id', 'finished', 'failed']).catch(
    (error: unknown) => {
      // The figures of the queue itself need no right on the side collection.
      if (!isUnauthorized(error)) throw error;
      return [];
    },
  );

  return { finished: sumOf(stored, 'finished'), failed: sumOf(stored, 'failed') };
}

async function beginning(model: AnyModel, minutes: number): Promise<Date> {
  const now = (await serverNow(model)).getTime();

  return new Date(now - (now % MINUTE_MS) - (minutes - 1) * MINUTE_MS);
}

async function readSince(model: AnyModel, at: Date, fields: readonly string[] = []): Promise<Stored[]> {
  const { kind } = definitionOf(model);
  const found = await persistently(() =>
    sideOf(model)
      // A document is compared field by field: this one comes before all that have a model as well.
      .find({ _id: { $gte: { at } } as never }, { ...NEWEST, projection: only(fields) })
      .toArray(),
  );

  const isReadable = ({ _id }: Stored) => _id.at instanceof Date;
  return (found as unknown as Stored[]).filter(
    (one) => isReadable(one) && (!kind || one._id.model === model.modelName),
  );
}

function minuteOf(at: Date, stored: readonly Stored[]): HistoryMinute {
  const counts = Object.fromEntries(COUNTED.map((name) => [name, sumOf(stored, name)])) as unknown as Outcomes;
  const percentiles = (name: 'wait' | 'run') => percentilesOf(merged(stored.map((one) => one[name] ?? {})));

  return { at, ...counts, waitMs: percentiles('wait'), runMs: percentiles('run') };
}

function merged(all: readonly Record<string, number>[]): Buckets {
  const buckets: Buckets = new Map();
  for (const one of all) for (const [bucket, count] of Object.entries(one)) addTo(buckets, Number(bucket), count);

  return buckets;
}

function sumOf(stored: readonly Stored[], name: keyof Outcomes): number {
  return stored.reduce((sum, one) => sum + (one[name] ?? 0), 0);
}
