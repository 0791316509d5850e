import { Types } from 'mongoose';
import type { Definition } from '../definition/definition';
import { State } from '../fields';
import { plainKey } from '../task/cancellation';

/** The update that wakes a task: it is due at its own due time again, and the next pop judges it. */
export const wakening = [
  { $set: { '_task.availableAt': '$_task.dueAt' } },
  { $unset: ['_task.waitingOn', '_task.recheckAt'] },
];

/**
 * The update that queues a task again that was failed by a dependency. Where it has a key, another of that key may be aside by now: like a
 * successor it is looked at when it is claimed.
 */
export function revival({ options }: Definition): object[] {
  const isKeyed = { $gt: ['$_task.key', null] };
  const behind = { $cond: [isKeyed, { $ifNull: ['$_task.behind', new Types.ObjectId()] }, '$$REMOVE'] };

  return [
    {
      $set: {
        [options.fields.state]: State.CREATED,
        '_task.availableAt': '$_task.dueAt',
        '_task.key': plainKey,
        '_task.behind': behind,
      },
    },
    { $unset: ['_task.doomedBy', '_task.settledAt', '_task.recheckAt', '_task.aside'] },
  ];
}
