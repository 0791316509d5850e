import { Schema, type Connection, type Types } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';

/** So many that faults never use them up: a task fails only where it is meant to. */
const MAX_ATTEMPTS = 1_000;

/** What a task makes its handler do. */
export const FATES = ['finish', 'fail', 'retry', 'throw', 'release', 'long', 'transaction'] as const;
export type Fate = (typeof FATES)[number];

export interface TaskOptions {
  /** Whether writes wait for the journal of a server that stands alone. */
  readonly journal: boolean;
  readonly leaseMs: number;
  readonly recheckMs: number;
}

/** The tasks of the soak, for itself and for its programs. `Step` waits for others. */
export function makeTasks(connection: Connection, { journal, leaseMs, recheckMs }: TaskOptions) {
  const schemaOptions = journal ? { writeConcern: { w: 1 as const, j: true } } : {};
  const options = { leaseMs, maxAttempts: MAX_ATTEMPTS, backoff: constant(50), recheckMs };
  const fields = {
    fate: { type: String, enum: FATES, required: true },
    /** How long its handler takes, in milliseconds. */
    ms: Number,
    /** Whether the handler changes the document. */
    isChanged: Boolean,
    /** The fence of who finished it, where it is changed. */
    doneBy: Number,
  };
  const reference = { type: Schema.Types.ObjectId, ref: 'Plain' };
  const Plain = connection.model('Plain', taskQueue(new Schema(fields, schemaOptions), options));
  const Step = connection.model(
    'Step',
    taskQueue(
      new Schema(
        {
          ...fields,
          all: [{ ...reference, dependsOn: { type: 'ALL_OF' as const, onFailed: 'fail' as const } }],
          any: [{ ...reference, dependsOn: 'ANY_OF' as const }],
          broken: [{ ...reference, dependsOn: { type: 'ALL_OF' as const, when: { state: 'FAILED' } } }],
        },
        schemaOptions,
      ),
      options,
    ),
  );
  /** Written in one transaction with the end of a task. */
  const Effect = connection.model('Effect', new Schema({ task: Schema.Types.ObjectId, fence: Number }));

  return { Plain, Step, Effect };
}

export type Tasks = ReturnType<typeof makeTasks>;
export type Plain = InstanceType<Tasks['Plain']>;
export type Step = InstanceType<Tasks['Step']>;
export type Task = Plain | Step;

export function idOf({ _id }: { _id: Types.ObjectId }): string {
  return _id.toHexString();
}
