import { collectionOf, type Definition, hydrate, type RawDocument } from '../definition/definition';
import type { TaskCancelledError } from '../errors';
import { State } from '../fields';
import { announce } from '../notify/announce';
import { persistently } from '../server/transient';
import { type Bookkeeping, isBookkeeping, readBookkeeping } from '../task/bookkeeping';
import { cancelled, isOpen, isOverdue, NOT_IN_TIME, OF_LIVE } from '../task/cancellation';
import { cancelledOf } from '../task/cancelled-error';
import { attemptsBefore, heldAsClaimed } from '../task/held';
import type { TellFailed } from '../task/tell-failed';
import { followEnds, isKeyed, startSuccessor } from './behind';

/**
 * The claimed tasks that are to be handed out. One that was to be cancelled, or comes too late to be started, ends CANCELLED here. A
 * process that dies before that leaves it to the lease of its claim, and the next claim ends it.
 */
export async function admitted(
  definition: Definition,
  raw: readonly RawDocument[],
  tell: TellFailed,
): Promise<readonly RawDocument[]> {
  // One that cannot be written is left to the lease of its claim, and keeps nobody else back.
  const keep = (one: RawDocument) =>
    isAdmitted(definition, one, tell).then((isKept) => (isKept ? startable(definition, one) : null));
  const tasks = await Promise.all(raw.map((one) => keep(one).catch(() => null)));
  return tasks.filter((one) => one !== null);
}

/** Whether a claimed task can be handed out without a further look. */
export function isUsual({ _task: task }: RawDocument): boolean {
  const { cancel, startBy, behind } = (task ?? {}) as Bookkeeping;

  return cancel === undefined && startBy === undefined && behind === undefined;
}

async function isAdmitted(definition: Definition, raw: RawDocument, tell: TellFailed): Promise<boolean> {
  if (isUsual(raw) || !isBookkeeping(raw['_task'])) return true;
  const task = readBookkeeping({ ...raw['_task'] });
  if (isOpen(task)) {
    await end(definition, raw, undefined);
    tellCancelled(definition, raw, task.cancel!.reason, tell);
    return false;
  }
  if (task.startedAt && isOverdue(task, task.startedAt)) {
    await end(definition, raw, NOT_IN_TIME);
    tellCancelled(definition, raw, NOT_IN_TIME, tell);
    return false;
  }
  if (task.cancel) await forgetCancel(definition, raw);
  return true;
}

/** The task as it is to be handed out, unless it waits for the end of another one of its key. */
async function startable(definition: Definition, raw: RawDocument): Promise<RawDocument | null> {
  if (isUsual(raw)) return raw;
  const { behind } = readBookkeeping({ ...raw['_task'] });

  return behind === undefined ? raw : startSuccessor(definition, raw);
}

async function end(definition: Definition, raw: RawDocument, reason: string | undefined): Promise<void> {
  // The claim that found it was no attempt.
  const end = { ...cancelled(definition, reason), '_task.attempts': attemptsBefore };
  await write(definition, raw, [{ $set: end }, { $unset: OF_LIVE }]);
  if (isKeyed(raw)) await followEnds(definition, { _id: raw._id });
  announce(definition.model);
}

// It is of an earlier life of the task, which was put back by a raw write.
async function forgetCancel(definition: Definition, raw: RawDocument): Promise<void> {
  await write(definition, raw, { $unset: { '_task.cancel': true } });
  delete (raw['_task'] as Bookkeeping).cancel;
}

async function write(definition: Definition, raw: RawDocument, update: object): Promise<void> {
  const { model, writeConcern } = definition;
  const held = heldAsClaimed(definition, [raw]);
  await persistently(() => collectionOf(model).updateOne(held, update, { hint: '_id_', ...writeConcern }));
}

function tellCancelled(definition: Definition, raw: RawDocument, reason: string | undefined, tell: TellFailed): void {
  const { model, options } = definition;
  const error: TaskCancelledError = cancelledOf(model, raw._id, reason, null);
  const task: Bookkeeping = { ...raw['_task'], cancel: { ...(reason !== undefined && { reason }), at: new Date() } };
  try {
    tell(error, hydrate(definition, { ...raw, [options.fields.state]: State.CANCELLED, _task: task }));
  } catch {
    // Of a task that cannot be read nobody is told more than its state says.
  }
}
