import type { AnyDocument } from '../definition/definition';
import type { TaskCancelledError } from '../errors';
import type { Cancel } from '../task/bookkeeping';
import { cancelledError } from '../task/cancelled-error';
import { handleOf } from '../task/handle';

/** Notes that a task which this handle holds is to be cancelled. Returns the error that tells it. */
export function hear(task: AnyDocument, cancel: Cancel, availableAt: Date | undefined): TaskCancelledError {
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, cancel, ...(availableAt && { availableAt }) };
  if (handle.lease && availableAt) handle.lease = { ...handle.lease, until: availableAt };

  return cancelledError(task, cancel.reason, availableAt ?? null);
}
