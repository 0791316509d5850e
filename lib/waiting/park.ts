import { Types } from 'mongoose';
import type { Definition, RawDocument } from '../definition/definition';
import type { Target } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';
import { State } from '../fields';
import { plainKey } from '../task/cancellation';
import { ended, withFailure } from '../task/ending';
import type { TaskFailure } from '../task/handle';
import { NEVER } from '../values/check';
import { arm, armDoomed } from './arm';
import { notBeforeDue, recheckAt } from './recheck-time';
import { revivedBy, waitedFor } from './waited-for';
import { writeGrouped } from './write-groups';

/** A task that must wait, as it was read. */
export interface Waiting {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly on: readonly Awaited[];
}

/** A task that fails with a dependency, as it was read. */
export interface Doomed {
  readonly task: RawDocument;
  readonly target: Target | null;
  readonly by: readonly Awaited[];
  readonly failure: Omit<TaskFailure, 'at'>;
}

/**
 * Parks tasks, each behind one unmet clause and out of the way of ready ones, then marks the documents they wait for. Never in the other
 * order: a mark that is set after the parking makes every later wake look for the task.
 */
export async function park(definition: Definition, waiting: readonly Waiting[], near: Date | null): Promise<void> {
  if (waiting.length === 0) return;

  const token = new Types.ObjectId();
  await writeGrouped(definition, waiting, {
    about: ({ on }) => on,
    update: (one) => parkUpdate(definition, one, token, near),
  });
  await arm(definition, waiting);
}

/** Fails doomed tasks, then marks the documents that failed them, so that they can be revived. */
export async function doom(definition: Definition, doomed: readonly Doomed[]): Promise<void> {
  if (doomed.length === 0) return;

  const token = new Types.ObjectId();
  await writeGrouped(definition, doomed, {
    about: ({ by }) => by,
    update: (one) => doomUpdate(definition, one, token),
  });
  await armDoomed(definition, doomed);
}

/** Sets the marks of tasks that were failed by a dependency again: a mark may be lost with its document. */
export async function keepDoomed(
  definition: Definition,
  doomed: readonly Omit<Doomed, 'failure'>[],
  near: Date,
): Promise<void> {
  if (doomed.length === 0) return;

  await writeGrouped(definition, doomed, {
    about: ({ by }) => by,
    update: (one) => [{ $set: doomedFields(definition, one, near) }],
  });
  await armDoomed(definition, doomed);
}

/** A new token for a task that has one: a late holder is refused, and what was read of an earlier life of the task does not match. */
function renamed(token: Types.ObjectId): Record<string, unknown> {
  return { '_task.token': { $cond: [{ $gt: ['$_task.token', null] }, token, '$$REMOVE'] } };
}

function parkUpdate(
  definition: Definition,
  { on, target }: Waiting,
  token: Types.ObjectId,
  near: Date | null,
): object[] {
  return [
    {
      $set: {
        [definition.options.fields.state]: State.CREATED,
        '_task.availableAt': NEVER,
        '_task.dueAt': { $ifNull: ['$_task.dueAt', '$$NOW'] },
        '_task.waitingOn': { $literal: waitedFor(target, on) },
        '_task.recheckAt': near ? notBeforeDue(near) : recheckAt(definition, on, target),
        ...renamed(token),
      },
    },
  ];
}

function doomUpdate(definition: Definition, { by, target, failure }: Doomed, token: Types.ObjectId): object[] {
  return [
    {
      $set: {
        ...ended(definition, State.FAILED),
        ...doomedFields(definition, { by, target }, null),
        ...withFailure(failure),
        '_task.key': plainKey,
        ...renamed(token),
      },
    },
    { $unset: '_task.waitingOn' },
  ];
}

/** The fields by which a doomed task is found when its dependency is no longer FAILED. A missing dependency is not looked for again. */
function doomedFields(
  definition: Definition,
  { by, target }: Pick<Doomed, 'by' | 'target'>,
  near: Date | null,
): Record<string, unknown> {
  const canRevive = by.some(({ standing }) => standing === 'failed');

  return {
    '_task.doomedBy': { $literal: revivedBy(target, by) },
    '_task.recheckAt': canRevive ? (near ?? recheckAt(definition, by, target)) : '$$REMOVE',
  };
}
