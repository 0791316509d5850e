import { Types } from 'mongoose';
import { type AnyModel, collectionOf, definitionOf, type Filter, rootOf } from '../definition/definition';
import { State } from '../fields';
import { declare } from '../indexes/declared';
import type { TaskIndex } from '../indexes/existing';
import { announce } from '../notify/arrivals';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { isMissingIndex, isTimeExpired, patiently } from '../server/transient';
import type { Control } from '../side/collection';
import { noteUse } from '../side/control';
import { cancelled, NOT_IN_TIME, OF_LIVE } from '../task/cancellation';
import { clearInterval, setInterval, setTimeout } from '../timers';
import { MAX_TIMER_MS } from '../values/check';
import { writeConfirmed } from '../waiting/bounded-write';

/** The use of `startBy`, as all processes that work the queue hear of it. */
const USE = 'startBy';
/** How often tasks that were not started in time are looked for where the use is known, in milliseconds. */
const EVERY_MS = 1_000;
/** At most this many tasks are ended by one look. */
const WINDOW = 200;
/** At most this many times are remembered per model; later ones are seen by who works the queue. */
const MAX_TIMES = 1_000;

const PATH = '_task.startBy';

function startByIndex(model: AnyModel): TaskIndex {
  const { state } = definitionOf(model).options.fields;

  return {
    name: 'task_startBy',
    key: { [PATH]: 1 },
    partialFilterExpression: { [state]: State.CREATED, [PATH]: { $exists: true } },
  };
}

const prepared = new WeakMap<AnyModel, Promise<void>>();

/** Resolves once tasks of the model can have a `startBy`: their index is there, and who works the queue can know of it. */
export function startByReady(model: AnyModel): Promise<void> {
  const ready = prepared.get(model) ?? prepare(model);
  prepared.set(model, ready);
  ready.catch(() => prepared.delete(model));

  return ready;
}

async function prepare(model: AnyModel): Promise<void> {
  const index = startByIndex(model);
  declare(rootOf(model), [index]);
  await patiently(() => collectionOf(model).createIndexes([index as never]));
  await noteUse(model, USE);
}

/** Ends the tasks that were not started in time and that nobody claims: parked, delayed or behind others. */
async function endOverdue(model: AnyModel): Promise<void> {
  const definition = definitionOf(model);
  const { options, kind, writeConcern } = definition;
  const overdue: Filter = {
    [options.fields.state]: State.CREATED,
    [PATH]: { $exists: true },
    '_task.startedAt': null,
    $expr: { $lt: [`$${PATH}`, '$$NOW'] },
    ...(kind && { [kind.key]: kind.value }),
  };
  const how = { projection: { _id: 1 }, limit: WINDOW, hint: 'task_startBy', ...NEWEST } as const;
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

export function isStartByUsed({ uses }: Control): boolean {
  return uses.includes(USE);
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

// Without the index there is nothing to end; other errors are met by the next look, or by the claims.
async function endQuietly(model: AnyModel): Promise<void> {
  await endOverdue(model).catch((error: unknown) => {
    if (isMissingIndex(error)) prepared.delete(model);
  });
}
