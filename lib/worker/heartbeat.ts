import { Types } from 'mongoose';
import { outlive, takeoverAt } from '../claim/takeover';
import { type AnyModel, collectionOf, definitionOf } from '../definition/definition';
import { State } from '../fields';
import { serverNow } from '../server/clock';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { handleOf } from '../task/handle';
import { heldBy } from '../task/held';
import { groupBy } from '../values/group';
import { keyOf } from '../values/id';
import { HeldTask } from './held-task';

/** Renews leases; resolves to the tasks that lost theirs. Each token is compared with its own tasks: a late holder must not match. */
export async function renewAll(model: AnyModel, held: readonly HeldTask[]): Promise<HeldTask[]> {
  const definition = definitionOf(model);
  const { options, writeConcern } = definition;
  const byToken = groupBy(held, ({ token }) => token);
  const until = new Date((await serverNow(model)).getTime() + options.leaseMs);
  const renewed = takeoverAt({ $subtract: ['$_task.attempts', 1] }, options);
  const statements = [...byToken].map(([token, tasks]) => ({
    updateMany: {
      filter: heldBy(
        definition,
        new Types.ObjectId(token),
        tasks.map(({ task }) => task._id as unknown),
      ),
      update: [{ $set: { '_task.availableAt': renewed, ...outlive(definition, renewed) } }],
      hint: '_id_',
    },
  }));
  const { matchedCount } = await persistently(() =>
    collectionOf(model).bulkWrite(statements, { ordered: false, ...writeConcern }),
  );
  const lost = matchedCount === held.length ? [] : await findLost(model, held);
  for (const { task } of held) {
    const handle = handleOf(task);
    if (handle.lease) handle.lease = { ...handle.lease, until };
  }

  return lost;
}

async function findLost(model: AnyModel, held: readonly HeldTask[]): Promise<HeldTask[]> {
  const { state } = definitionOf(model).options.fields;
  const found = await answered(
    collectionOf(model)
      .find(
        { _id: { $in: held.map(({ task }) => task._id) as never[] }, [state]: State.RUNNING },
        { projection: { '_task.token': 1 }, ...NEWEST },
      )
      .toArray(),
  );
  const tokens = new Map(
    found.map((document) => [
      keyOf(document._id),
      readBookkeeping({ ...(document['_task'] as Bookkeeping | undefined) }).token?.toHexString(),
    ]),
  );

  return held.filter(({ task, token }) => tokens.get(keyOf(task._id)) !== token);
}
