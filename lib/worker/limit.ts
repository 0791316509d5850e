import { modelOf } from '../definition/definition';
import type { HeldTask } from './held-task';
import { setTimeout } from '../timers';

/** Takes a task out of its handler's hands once it has taken too long, its settle included. */
export function startLimit(held: HeldTask, timeoutMs: number | false): NodeJS.Timeout | null {
  if (timeoutMs === false) return null;
  const { task } = held;

  return setTimeout(() => {
    const what = `${held.isConcluding ? 'The settle' : 'The handler'} of ${modelOf(task).modelName} ${String(task._id)}`;
    held.abort(new DOMException(`${what} took longer than ${timeoutMs} ms.`, 'TimeoutError'));
  }, timeoutMs);
}
