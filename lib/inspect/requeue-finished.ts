import { type mongo, Types } from 'mongoose';
import { type AnyModel, collectionOf, definitionOf, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { isDuplicateKey } from '../indexes/key-index';
import { indexesReady } from '../indexes/prepare';
import { announceAt } from '../notify/due';
import { renewal } from '../push/renewal';
import { serverNow } from '../server/clock';
import { persistently } from '../server/transient';
import type { Bookkeeping } from '../task/bookkeeping';
import type { Skipped } from './act-options';

/**
 * Queues finished tasks again that are as they were read: the token tells one end from the next, so a task that was queued by somebody
 * else and has finished once more is left alone.
 */
export async function requeueFinished(
  model: AnyModel,
  tasks: readonly RawDocument[],
  delayMs: number,
): Promise<Skipped[]> {
  if (tasks.length === 0) return [];
  const definition = definitionOf(model);
  await indexesReady(model);
  const { state } = definition.options.fields;
  const update = renewal(definition, delayMs);
  // As for any task with a key: another of its key may be aside, and who claims it looks.
  const keyed = { $set: { '_task.behind': new Types.ObjectId() } };
  const statements = tasks.map(({ _id, _task: task }) => {
    const { token: was, key } = (task ?? {}) as Bookkeeping;
    const filter = { _id: _id as never, [state]: State.FINISHED, '_task.token': { $eq: was ?? null } };
    return { updateOne: { filter, update: key === undefined ? update : [...update, keyed], hint: '_id_' } };
  });
  await persistently(() =>
    collectionOf(model)
      .bulkWrite(statements, { ordered: false, ...definition.writeConcern })
      .catch(throwUnlessTaken),
  );
  const now = await serverNow(model);
  announceAt(model, new Date(now.getTime() + delayMs), now);

  return leftOf(model, tasks, tokenIn(update));
}

function tokenIn(update: readonly object[]): unknown {
  return (update[0] as { $set: Record<string, unknown> }).$set['_task.token'];
}

// The unique index refuses a task whose key a live one has.
function throwUnlessTaken(error: unknown): void {
  const refused = [(error as Partial<mongo.MongoBulkWriteError>).writeErrors ?? []].flat();
  if (refused.length === 0 || !refused.every(isDuplicateKey)) throw error;
}

async function leftOf(model: AnyModel, tasks: readonly RawDocument[], token: unknown): Promise<Skipped[]> {
  const { state } = definitionOf(model).options.fields;
  const ids = tasks.map(({ _id }) => _id as never);
  const found = await collectionOf(model)
    .find(
      { _id: { $in: ids }, [state]: State.FINISHED, '_task.token': { $ne: token as never } },
      { projection: { _id: 1 } },
    )
    .toArray();

  return found.map(({ _id }) => ({
    id: _id as unknown,
    reason: 'a live task has its key, or it was queued meanwhile',
  }));
}
