import { Types } from 'mongoose';
import { keyOf } from '../id';
import { collectionOf, type AnyModel, type Definition, type Filter, type RawDocument } from '../definition';
import { State } from '../fields';
import { MAX_FAILURES, type TaskFailure } from '../handle';
import { isTimeExpired } from '../transient';
import { valueAt } from './condition';
import { dependencyPaths } from './references';
import type { Target, Watch } from './targets';
import type { Awaited } from './verdict';

/** Parked tasks are out of the claim order until this date. */
export const NEVER = new Date('9999-12-31T00:00:00Z');

/** How long parking and arming wait for a document that an open transaction has written, in milliseconds. */
const MAX_WAIT_MS = 200;
const PROBE_MS = 20;
const MAX_RECHECK_MS = 3_600_000;
/** The first re-check of a task whose dependency cannot be watched, in milliseconds, and the longest one. */
const UNWATCHED_MS = 1_000;
const MAX_UNWATCHED_MS = 30_000;

/** A task that must wait, as it was read. */
export interface Waiting {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly on: readonly Awaited[];
}

/** A task that fails with a dependency, as it was read. */
export interface Doomed {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly by: readonly Awaited[];
  readonly failure: Omit<TaskFailure, 'at'>;
}

/**
 * Puts tasks behind one unmet clause each, out of the way of ready ones, then marks what they wait for. Never the other way
 * round: a mark that is set after the parking tells every later waker to look for this task.
 */
export async function park(definition: Definition, waiting: readonly Waiting[]): Promise<void> {
  if (waiting.length === 0) return;
  await collectionOf(definition.model).bulkWrite(
    waiting.map(({ task, on, target }) => ({
      updateOne: { filter: asRead(definition, task), update: parkUpdate(definition, task, on, target) },
    })),
    { ordered: false, ...definition.writeConcern },
  );
  await arm(definition, waiting);
}

/** Fails tasks whose dependency leaves them no chance, then watches for that to change. */
export async function doom(definition: Definition, doomed: readonly Doomed[]): Promise<void> {
  if (doomed.length === 0) return;
  await collectionOf(definition.model).bulkWrite(
    doomed.map((one) => ({ updateOne: { filter: asRead(definition, one.task), update: doomUpdate(definition, one) } })),
    { ordered: false, ...definition.writeConcern },
  );
  await armDoomed(doomed);
}

/** Marks what waiting tasks wait for. A document that refuses the mark is left to their re-checks, which then come soon. */
export async function arm(definition: Definition, waiting: readonly Pick<Waiting, 'target' | 'on'>[]): Promise<void> {
  const arms = new Arms();
  for (const { target, on } of waiting) {
    if (!target) continue;
    for (const { id, standing } of on) {
      if (standing === 'missing') continue;
      arms.add(target.whenMet, id);
      if (target.whenFailed && standing !== 'failed') arms.add(target.whenFailed, id);
    }
  }
  const refused = await arms.set();
  if (refused.length > 0) await recheckSoon(definition, refused);
}

/** Marks what tasks were failed by. */
export async function armDoomed(doomed: readonly Pick<Doomed, 'target' | 'by'>[]): Promise<void> {
  const arms = new Arms();
  for (const { target, by } of doomed) {
    if (!target?.whenRevived) continue;
    for (const { id, standing } of by) if (standing === 'failed') arms.add(target.whenRevived, id);
  }
  await arms.set();
}

/** When a parked task is looked at again although nothing woke it, in milliseconds from now; it grows with the time it has waited. */
export function recheckMs(
  { options }: Definition,
  on: readonly Awaited[],
  target: Target | null,
  waitedMs: number,
): number {
  const isWatched = target !== null && on.every(({ standing }) => standing !== 'missing');
  const [min, max] = isWatched
    ? [options.recheckMs, Math.max(options.recheckMs, MAX_RECHECK_MS)]
    : [Math.min(UNWATCHED_MS, options.recheckMs), MAX_UNWATCHED_MS];

  return Math.floor(Math.min(max, Math.max(min, waitedMs)) * (0.8 + 0.4 * Math.random()));
}

function parkUpdate(
  definition: Definition,
  task: RawDocument,
  on: readonly Awaited[],
  target: Target | null,
): object[] {
  const waited = { $subtract: ['$$NOW', { $ifNull: ['$_task.expiresFrom', '$$NOW'] }] };
  const delay = {
    $max: [
      recheckMs(definition, on, target, 0),
      { $min: [waited, recheckMs(definition, on, target, Number.MAX_SAFE_INTEGER)] },
    ],
  };

  return [
    {
      $set: {
        [definition.options.fields.state]: State.CREATED,
        '_task.availableAt': NEVER,
        '_task.dueAt': { $ifNull: ['$_task.dueAt', '$$NOW'] },
        '_task.waitingOn': { $literal: on.map(({ id }) => id) },
        '_task.recheckAt': { $max: [{ $add: ['$$NOW', delay] }, '$_task.dueAt'] },
      },
    },
    { $unset: '_task.token' },
  ];
}

function doomUpdate({ options }: Definition, { by, failure }: Doomed): object[] {
  const entry = { $mergeObjects: [{ $literal: failure }, { at: '$$NOW' }] };

  return [
    {
      $set: {
        [options.fields.state]: State.FAILED,
        '_task.availableAt': '$_task.dueAt',
        '_task.settledAt': '$$NOW',
        '_task.doomedBy': { $literal: by.map(({ id }) => id) },
        '_task.errors': { $slice: [{ $concatArrays: [{ $ifNull: ['$_task.errors', []] }, [entry]] }, -MAX_FAILURES] },
      },
    },
    { $unset: ['_task.token', '_task.waitingOn', '_task.recheckAt'] },
  ];
}

/** The task exactly as it was judged: whoever changed it since decides again. */
function asRead({ model, options }: Definition, task: RawDocument): Filter {
  const { state } = options.fields;
  const paths = [state, '_task.token', '_task.availableAt', ...dependencyPaths(model)];

  return { _id: task._id, ...Object.fromEntries(paths.map((path) => [path, valueAt(task, path) ?? null])) };
}

async function recheckSoon({ model }: Definition, ids: unknown[]): Promise<void> {
  await collectionOf(model).updateMany({ '_task.waitingOn': { $in: ids } }, [
    { $set: { '_task.recheckAt': { $max: [{ $add: ['$$NOW', UNWATCHED_MS] }, '$_task.dueAt'] } } },
  ]);
}

/** Marks to be set, collected by watch so that each is one write. */
class Arms {
  readonly #ids = new Map<Watch, Map<string, unknown>>();

  add(watch: Watch, id: unknown): void {
    const ids = this.#ids.get(watch) ?? new Map<string, unknown>();
    this.#ids.set(watch, ids);
    ids.set(keyOf(id), id);
  }

  /** Returns the ids of documents that refused. */
  async set(): Promise<unknown[]> {
    const refused: unknown[] = [];
    for (const [watch, ids] of this.#ids) refused.push(...(await setMarks(watch, [...ids.values()])));

    return refused;
  }
}

async function setMarks({ model, mark }: Watch, ids: unknown[]): Promise<unknown[]> {
  try {
    await setMark(model, mark, ids, MAX_WAIT_MS);
    return [];
  } catch (error) {
    if (ids.length === 1) return refusedBy(error, ids);
  }

  // One document stopped the write: the others must not suffer for it.
  const refused: unknown[] = [];
  for (const id of ids)
    await setMark(model, mark, [id], PROBE_MS).catch((error: unknown) => refused.push(...refusedBy(error, [id])));
  return refused;
}

async function setMark(model: AnyModel, mark: string, ids: unknown[], maxTimeMS: number): Promise<void> {
  // A token of its own for each write: a waker removes only the one it has read, never a later one.
  const update = { $set: { [`_task.armed.${mark}`]: new Types.ObjectId() } };
  await collectionOf(model).updateMany({ _id: { $in: ids as never[] } }, update, { maxTimeMS, hint: '_id_' });
}

// No right to write, a validator, a view, a lock: whatever the server says no to is left to the re-check.
function refusedBy(error: unknown, ids: unknown[]): unknown[] {
  const isServerError = typeof (error as { code?: unknown }).code === 'number';
  if (isServerError || isTimeExpired(error)) return ids;
  throw error;
}
