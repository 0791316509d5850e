import { debuglog } from 'node:util';
import { type AnyDocument, modelOf } from '../definition/definition';
import { attempts } from './handle';

const debug = debuglog('task-queue');

/**
 * Prints one line for a transition of a task with `NODE_DEBUG=task-queue`: `popped Email 64f… attempt 1`. Without it nothing is formatted.
 */
export function trace(transition: string, task: AnyDocument): void {
  if (debug.enabled) debug('%s %s %s attempt %d', transition, modelOf(task).modelName, task._id, attempts(task));
}
