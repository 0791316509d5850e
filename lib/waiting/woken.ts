import type { Definition } from '../definition/definition';
import { State } from '../fields';

/** A woken task is due when it was due by itself; the next pop judges it. */
export const wakening = [
  { $set: { '_task.availableAt': '$_task.dueAt' } },
  { $unset: ['_task.waitingOn', '_task.recheckAt'] },
];

/** A task that was failed by a dependency is queued again. */
export function revival({ options }: Definition): object[] {
  return [
    { $set: { [options.fields.state]: State.CREATED, '_task.availableAt': '$_task.dueAt' } },
    { $unset: ['_task.doomedBy', '_task.settledAt', '_task.recheckAt'] },
  ];
}
