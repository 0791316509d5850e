import { Schema, type Connection } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';

export const LEASE_MS = 300_000;

/** The tasks of the clock spec, for the spec itself and for its processes with a wrong clock. */
export function makeNote(connection: Connection) {
  return connection.model('Note', taskQueue(new Schema({ text: String }), { leaseMs: LEASE_MS }));
}
