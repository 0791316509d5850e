import { Types } from 'mongoose';
import { type AnyModel, collectionOf, definitionOf, type Filter } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { State } from '../fields';
import { announce } from '../notify/announce';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { isMissingIndex, isTimeExpired } from '../server/transient';
import { cancelled, NOT_IN_TIME, OF_LIVE } from '../task/cancellation';
import { clearInterval, setInterval, setTimeout } from '../timers';
import { MAX_TIMER_MS } from '../values/check';
import { writeConfirmed } from '../waiting/bounded-write';
import { forgetStartBy, START_BY, startByIndex, startByReady } from './start-by-index';

/** How often tasks that were not started in time are looked for where the use is known, in milliseconds. */
const EVERY_MS = 1_000;
/** At most this many tasks are ended by one look. */
const WINDOW = 200;
/** At most this many times are remembered per model; later ones are seen by who works the queue. */
const MAX_TIMES = 1_000;

/** Ends the tasks that were not started in time and that nobody claims: parked, delayed or behind others. */
async function endOverdue(model: AnyModel): Promise<void> {
  const definition = definitionOf(model);
  const { options, kind, writeConcern } = definition;
  const overdue: Filter = {
    [options.fields.state]: State.CREATED,
    [START_BY]: { $exists: true },
    '_task.startedAt': null,
    $expr: { $lt: [`$${START_BY}`, '$$NOW'] },
    ...ofKind(kind),
  };
  const how = { projection: { _id: 1 }, limit: WINDOW, hint: startByIndex(model).name, ...NEWEST } as const;
  const found = await answered(collectionOf(model).find(overdue, how).toArray());
  if (found.length === 0) return;

  const ids = found.map(({ _id }) => _id as unknown);
  const end = { ...cancelled(definition, NOT_IN_TIME), '_task.token': new Types.ObjectId() };
  await writeConfirmed(model, writeConcern, ids, {
    write: (some, bounds) =>
      collectionOf(model).updateMany(
        { ...overdue, _id: { $in: some as never[] } },
        [{ $set: end }, { $unset: OF_LIVE }],
        {
          hint: '_id_',
          ...bounds,
        },
      ),
    // It is found again by the next look.
    isRefusal: isTimeExpired,
  });
  announce(model);
}

/** Looks regularly for tasks that were not started in time, until the returned function is called. */
export function endOverdueRegularly(model: AnyModel): () => void {
  let isUnderWay = false;
  const timer = setInterval(() => {
    if (isUnderWay) return;
    isUnderWay = true;
    void endQuietly(model).finally(() => (isUnderWay = false));
  }, EVERY_MS);
  timer.unref();

  return () => clearInterval(timer);
}

/** Looks once the time has come: a program that only pushes ends its tasks, too. Each time has one timer, however many tasks share it. */
export function endOverdueAt(model: AnyModel, startBy: Date, now: Date): void {
  const waitMs = startBy.getTime() - now.getTime() + 1;
  const times = alarms.get(model) ?? new Set();
  alarms.set(model, times);
  if (waitMs > MAX_TIMER_MS || times.size >= MAX_TIMES || times.has(startBy.getTime())) return;

  times.add(startBy.getTime());
  const ring = () => {
    times.delete(startBy.getTime());
    void endQuietly(model);
  };
  setTimeout(ring, Math.max(0, waitMs)).unref();
}

const alarms = new WeakMap<AnyModel, Set<number>>();

// Other errors are met by the next look, or by the claims.
async function endQuietly(model: AnyModel): Promise<void> {
  await endOverdue(model).catch((error: unknown) => (isMissingIndex(error) ? endWithoutIndex(model) : undefined));
}

const unprepared = new WeakSet<AnyModel>();

// It was dropped, or its pusher had no time to make it. Where this process cannot make it either, it leaves it to others.
async function endWithoutIndex(model: AnyModel): Promise<void> {
  forgetStartBy(model);
  if (unprepared.has(model)) return;
  unprepared.add(model);
  await startByReady(model)
    .then(() => endOverdue(model))
    .then(
      () => unprepared.delete(model),
      () => {},
    );
}
