import { Types } from 'mongoose';
import { type OnCancel, tellOf } from '../cancel/heed';
import { outlive, takeoverAt } from '../claim/takeover';
import { type AnyModel, collectionOf, definitionOf } from '../definition/definition';
import { State } from '../fields';
import { serverNow } from '../server/clock';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { handleOf } from '../task/handle';
import { attemptsBefore, heldBy } from '../task/held';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import type { HeldTask } from './held-task';

/**
 * Renews leases, except those of tasks that are to be cancelled, which `onCancel` is told of. Resolves to the tasks that lost theirs. Each
 * token is compared with its own tasks: a late holder must not match.
 */
export async function renewAll(
  model: AnyModel,
  all: readonly HeldTask[],
  onCancel: OnCancel<HeldTask>,
): Promise<HeldTask[]> {
  const held = all.filter(({ task }) => !isOpen(handleOf(task).stored));
  if (held.length === 0) return [];
  const definition = definitionOf(model);
  const { options, writeConcern } = definition;
  const byToken = groupBy(held, ({ token }) => token);
  const until = new Date((await serverNow(model)).getTime() + options.leaseMs);
  const renewed = takeoverAt(attemptsBefore, options);
  const statements = [...byToken].map(([token, tasks]) => ({
    updateMany: {
      filter: {
        ...heldBy(
          definition,
          new Types.ObjectId(token),
          tasks.map(({ task }) => task._id as unknown),
        ),
        '_task.cancel': null,
      },
      update: [{ $set: { '_task.availableAt': renewed, ...outlive(definition, renewed) } }],
      hint: '_id_',
    },
  }));
  const { matchedCount } = await persistently(() =>
    collectionOf(model).bulkWrite(statements, { ordered: false, ...writeConcern }),
  );
  const lost = matchedCount === held.length ? [] : await findLost(model, held, onCancel);
  for (const { task } of held) {
    const handle = handleOf(task);
    if (handle.lease && !isOpen(handle.stored)) handle.lease = { ...handle.lease, until };
  }

  return lost;
}

async function findLost(model: AnyModel, held: readonly HeldTask[], onCancel: OnCancel<HeldTask>): Promise<HeldTask[]> {
  const { state } = definitionOf(model).options.fields;
  const found = await answered(
    collectionOf(model)
      .find(
        { _id: { $in: held.map(({ task }) => task._id) as never[] }, [state]: State.RUNNING },
        { projection: { '_task.token': 1, '_task.cancel': 1, '_task.availableAt': 1 }, ...NEWEST },
      )
      .toArray(),
  );
  const stored = new Map(
    found.map(({ _id, _task: task }) => [keyOf(_id), readBookkeeping({ ...(task as Bookkeeping | undefined) })]),
  );
  const now = await serverNow(model);
  for (const one of held) tellOf(one, stored.get(keyOf(one.task._id)), now, onCancel);

  return held.filter(({ task, token }) => stored.get(keyOf(task._id))?.token?.toHexString() !== token);
}
