import { outlive, waitAfterLease } from '../claim/takeover';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { InvalidOptionError, TaskStateError } from '../errors';
import { State } from '../fields';
import { requireLease } from '../options';
import { isTooLarge } from '../server/permanent';
import { persistently } from '../server/transient';
import { handleOf, type Lease } from '../task/handle';
import { holdFilter } from '../task/held';
import { requireStorable, shown } from '../values/check';
import { sentenceOf } from '../values/describe';
import { shownId } from '../values/id';
import { hear } from './hear';
import { readStoredState, refusal, type StoredState } from './refusal';

/** See `TaskMethods.renew`. */
export async function renew(task: AnyDocument, leaseMs?: number): Promise<Lease> {
  const length = leaseMs ?? definitionOf(modelOf(task)).options.leaseMs;
  requireLease(length);

  return extend(task, 'renew', length, {});
}

async function extend(task: AnyDocument, verb: string, leaseMs: number, fields: Filter): Promise<Lease> {
  const definition = definitionOf(modelOf(task));
  const { model, options, writeConcern } = definition;
  const held = requireHold(task, verb);
  const waitMs = waitAfterLease(held.attempt, options);
  const until = { $add: ['$$NOW', leaseMs + waitMs] };
  const extended = await persistently(() =>
    collectionOf(model).findOneAndUpdate(
      { _id: task._id, ...holdFilter(task), '_task.cancel': null },
      [{ $set: { '_task.availableAt': until, ...outlive(definition, until), ...fields } }],
      { projection: { '_task.availableAt': 1 }, returnDocument: 'after', ...writeConcern },
    ),
  );
  if (!extended) throw refused(task, verb, await readStoredState(task, null));

  const { availableAt } = extended['_task'] as { availableAt: Date };
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, availableAt };
  // A task that was settled during the renewal has no lease any more.
  const renewed = { ...held, until: new Date(availableAt.getTime() - waitMs) };
  if (handle.lease) handle.lease = renewed;

  return renewed;
}

function refused(task: AnyDocument, verb: string, found: StoredState | null): Error {
  const handle = handleOf(task);
  const { cancel, availableAt } = found?.changeable ?? {};
  const isHeld = found?.state === State.RUNNING && found.token?.toHexString() === handle.lease?.token;
  if (!isHeld || !cancel) return refusal(task, verb, found);

  return hear(task, cancel, availableAt);
}

/** See `TaskMethods.progress`. */
export async function progress(task: AnyDocument, value: unknown): Promise<Lease> {
  requireStorable('value', value);
  if (value === undefined) throw wrongProgress(value);
  const { leaseMs } = definitionOf(modelOf(task)).options;
  const lease = await extend(task, 'progress', leaseMs, { '_task.progress': { $literal: value } }).catch(
    (error: unknown) => {
      throw isTooLarge(error) ? wrongProgress(value, error) : error;
    },
  );
  const handle = handleOf(task);
  handle.stored = { ...handle.stored, progress: value };

  return lease;
}

function wrongProgress(value: unknown, cause?: unknown): Error {
  const found = cause === undefined ? `${shown(value)}.` : `one that is too large: ${sentenceOf(cause)}`;

  return new InvalidOptionError(
    `Expected \`value\` to be a value that can be stored with its task, got ${found} Write for example \`{ done: 3, of: 10 }\`.`,
    { cause },
  );
}

/** The lease of a handle. @throws {TaskStateError} when it has none. */
export function requireHold(task: AnyDocument, verb: string): Lease {
  const { options } = definitionOf(modelOf(task));
  const { lease } = handleOf(task);
  if (lease) return lease;

  const state = task.get(options.fields.state) as string | null;
  throw new TaskStateError(
    `Expected ${modelOf(task).modelName} ${shownId(task._id)} to be held by this handle for \`${verb}()\`, but it was not popped, or was settled already.`,
    task._id,
    state,
  );
}
