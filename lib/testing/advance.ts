import { type AnyModel, collectionOf, definitionOf, namespaceOf } from '../definition/definition';
import type { QueueOf } from '../model/input';
import { throwExplained } from '../server/explain-error';
import { MAX_DELAY_MS, NEVER, requireInteger } from '../values/check';
import { keepPhases, passed } from './phase';

const TIMES = [
  'availableAt',
  'dueAt',
  'expiresFrom',
  'startBy',
  'throttledUntil',
  'firstPushAt',
  'recheckAt',
  'slot',
  'startedAt',
  'settledAt',
];

/**
 * Lets time pass for the tasks of one model or several: delays, leases, backoffs, schedules, re-checks and expiry. It moves the times that
 * are stored with the tasks back, `ms` milliseconds, and changes no clock. Schedules keep their phase: a week in steps of any size is seven
 * nightly runs, each of which `drain()` works off. What ends by the change is seen by the next pop; tasks that have expired are removed
 * by MongoDB, within a minute.
 *
 * @throws {InvalidOptionError} for a number that is not from 0 to 100 years, or a model without the plugin.
 */
export async function advance(models: QueueOf<unknown> | readonly QueueOf<unknown>[], ms: number): Promise<void> {
  requireInteger('ms', ms, 0, MAX_DELAY_MS, 'milliseconds', '`advance(Email, 60_000)`');
  const all = [models].flat() as unknown as AnyModel[];
  const byCollection = new Map(all.map((model) => [namespaceOf(definitionOf(model).model), model]));
  await keepPhases([...byCollection.values()]);
  for (const model of byCollection.values()) {
    await collectionOf(model)
      .updateMany({ _task: { $exists: true } }, [{ $set: earlier(ms) }])
      .catch(throwExplained);
    passed(model, ms);
  }
}

function earlier(ms: number): Record<string, object> {
  const times = TIMES.map((name) => [`_task.${name}`, movedBack(`$_task.${name}`, ms)]);
  const within = [
    ['lastRun', ['at', 'slot']],
    ['cancel', ['at']],
  ] as const;
  const objects = within.map(([name, fields]) => {
    const path = `$_task.${name}`;
    const moved = Object.fromEntries(fields.map((field) => [field, movedBack(`${path}.${field}`, ms)]));

    return [`_task.${name}`, { $cond: [{ $eq: [{ $type: path }, 'object'] }, { $mergeObjects: [path, moved] }, path] }];
  });

  return Object.fromEntries([...times, ...objects]) as Record<string, object>;
}

// A parked task is due never, whatever time has passed. A field that is missing stays so.
function movedBack(path: string, ms: number): object {
  const isTime = { $and: [{ $eq: [{ $type: path }, 'date'] }, { $lt: [path, NEVER] }] };

  return { $cond: [isTime, { $subtract: [path, ms] }, path] };
}
