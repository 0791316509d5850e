import { isDeepStrictEqual } from 'node:util';
import type { ClientSession } from 'mongoose';
import { followEnd } from '../claim/behind';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { LIVE_STATES, State } from '../fields';
import { announce } from '../notify/announce';
import { connected } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { answered } from '../server/time-limit';
import { openRequest, plainKey } from '../task/cancellation';
import { type Bookkeeping, handleOf } from '../task/handle';
import { trace } from '../task/trace';
import { setQuietly } from './stage-changes';

/**
 * Gives a live recurring task the schedule of a later push, for example after a deploy that changed it. A run under way, or one that
 * waits for a retry, keeps its time; the next run follows the new schedule. Resolves to false when the task has ended meanwhile.
 */
export async function reschedule(
  live: AnyDocument,
  { schedule, dueAt }: Bookkeeping,
  session: ClientSession | null,
): Promise<boolean> {
  const handle = handleOf(live);
  if (!schedule || isDeepStrictEqual(handle.stored.schedule, schedule)) return true;

  const { model, options, writeConcern } = definitionOf(modelOf(live));
  const isUntouched = {
    $and: [{ $eq: [`$${options.fields.state}`, State.CREATED] }, { $eq: [{ $ifNull: ['$_task.attempts', 0] }, 0] }],
  };
  const isParked = { $gt: ['$_task.waitingOn', null] };
  const update = [
    {
      $set: {
        '_task.schedule': { $literal: schedule },
        '_task.dueAt': { $cond: [isUntouched, dueAt, '$_task.dueAt'] },
        '_task.availableAt': { $cond: [{ $and: [isUntouched, { $not: isParked }] }, dueAt, '$_task.availableAt'] },
      },
    },
    { $unset: '_task.expiresFrom' },
  ];
  // One that is to be cancelled does not recur any more.
  const isLive: Filter = {
    _id: live._id,
    [options.fields.state]: { $in: [...LIVE_STATES] },
    $nor: [{ $expr: openRequest }],
  };
  const sent = { ...writeConcern, ...(session && { session }) };
  const { matchedCount } = await answered(collectionOf(model).updateOne(isLive, update, sent)).catch(throwExplained);
  const { expiresFrom: _, ...stored } = handle.stored;
  handle.stored = { ...stored, schedule };

  return matchedCount > 0;
}

/** See `TaskMethods.unschedule`. */
export async function unschedule<D extends AnyDocument>(task: D): Promise<D> {
  const { model, options, writeConcern } = definitionOf(modelOf(task));
  await connected(model);
  requireSettings(model);
  const { state } = options.fields;
  const live: Filter = { _id: task._id, [state]: { $in: [...LIVE_STATES] }, '_task.schedule': { $exists: true } };
  const isHeld = { $eq: [`$${state}`, State.RUNNING] };
  // A run under way goes on and is the last; a run that has not begun does not take place.
  const update = [
    {
      $set: {
        [state]: { $cond: [isHeld, State.RUNNING, State.FINISHED] },
        '_task.settledAt': { $cond: [isHeld, '$_task.settledAt', '$$NOW'] },
        '_task.expiresFrom': '$$NOW',
        '_task.key': { $cond: [isHeld, '$_task.key', plainKey] },
      },
    },
    { $unset: ['_task.schedule', '_task.waitingOn', '_task.recheckAt'] },
  ];
  const updated = await answered(
    collectionOf(model).findOneAndUpdate(live, update, {
      projection: { [state]: 1, '_task.key': 1, '_task.aside': 1 },
      returnDocument: 'after',
      ...writeConcern,
    }),
  ).catch(throwExplained);

  const { stored } = handleOf(task);
  delete stored.schedule;
  if (!updated) return task;

  setQuietly(task, state, updated[state]);
  trace('unscheduled', task);
  await followEnd(definitionOf(model), updated);
  announce(model);
  return task;
}
