import type { Definition } from '../definition/definition';
import { State } from '../fields';

/** The update that wakes a task: it is due at its own due time again, and the next pop judges it. */
export const wakening = [
  { $set: { '_task.availableAt': '$_task.dueAt' } },
  { $unset: ['_task.waitingOn', '_task.recheckAt'] },
];

/** The update that queues a task again that was failed by a dependency. */
export function revival({ options }: Definition): object[] {
  return [
    { $set: { [options.fields.state]: State.CREATED, '_task.availableAt': '$_task.dueAt' } },
    { $unset: ['_task.doomedBy', '_task.settledAt', '_task.recheckAt'] },
  ];
}
