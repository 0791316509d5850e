import { Schema, type Connection } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';

export const LEASE_MS = 200;
export const MAX_ATTEMPTS = 3;

/** The tasks of the crash spec, for the spec itself and for the processes it kills. */
export function makeJob(connection: Connection) {
  const options = { leaseMs: LEASE_MS, maxAttempts: MAX_ATTEMPTS, backoff: constant(20) };

  return connection.model('Job', taskQueue(new Schema({ result: Number }), options));
}
