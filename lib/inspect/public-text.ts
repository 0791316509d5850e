import { TaskQueueError } from '../errors';
import { isOutOfReach } from '../server/transient';
import { lineOf } from '../values/describe';

/** What may be shown of an error to whoever looks. What only the log may hold, addresses and queries, is told as a warning of the process. */
export function publicText(error: unknown): string {
  if (error instanceof TaskQueueError) return error.message;
  if (isOutOfReach(error)) return 'The database is out of reach.';
  process.emitWarning(`The dashboard could not answer: ${lineOf(error)}`, 'TaskQueueWarning');

  return 'This could not be answered. The log of the server says why.';
}
