import { Types } from 'mongoose';
import type { Definition } from '../definition/definition';
import { State } from '../fields';
import { plainKey } from '../task/cancellation';

/** The update that requeues a failed task, as `push()` would; key and schedule stay. The next pop judges its dependencies. */
export function renewal({ options, updatedAt }: Definition, delayMs: number): object[] {
  const due = { $add: ['$$NOW', delayMs] };
  const expiresFrom = { $cond: [{ $gt: ['$_task.schedule', null] }, '$$REMOVE', due] };

  return [
    {
      $set: {
        [options.fields.state]: State.CREATED,
        '_task.availableAt': due,
        '_task.dueAt': due,
        '_task.expiresFrom': expiresFrom,
        // A new token: neither a late holder nor the handle that settled the task takes this write for its own.
        '_task.token': new Types.ObjectId(),
        '_task.key': plainKey,
        ...(updatedAt && { [updatedAt.path]: updatedAt.now() }),
      },
    },
    { $unset: CLEARED.map((name) => `_task.${name}`) },
  ];
}

const CLEARED = [
  'attempts',
  'startedAt',
  'settledAt',
  'errors',
  'progress',
  'slot',
  'waitingOn',
  'recheckAt',
  'doomedBy',
  'cancel',
  'startBy',
  'aside',
  'behind',
  'throttledUntil',
  'firstPushAt',
];
