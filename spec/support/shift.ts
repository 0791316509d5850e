import { Schema, type Connection } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';

export const BACKOFF_MS = 800;

/** The tasks of the survival spec, for the spec itself and for its processes. `kind` says what a task does to its worker. */
export function makeShift(connection: Connection, leaseMs: number) {
  const schema = new Schema({ kind: String, ms: Number, doneBy: Number });

  return connection.model('Shift', taskQueue(schema, { leaseMs, maxAttempts: 3, backoff: constant(BACKOFF_MS) }));
}
