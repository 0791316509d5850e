import { collectionOf, type Definition, type Filter } from '../definition/definition';
import { State } from '../fields';
import { tryLater } from '../server/retry-later';
import { persistently } from '../server/transient';
import { cancelledOr } from '../task/cancellation';
import { attemptsBefore } from '../task/held';
import { followEnds } from './behind';

const MAX_TIME_MS = 1_000;

/**
 * Puts back the tasks that one claim still holds (see `heldBy`), as if they had not been claimed. One that is to be cancelled ends instead;
 * `isKeyed`: one of them has a key, and another may wait for its end.
 */
export async function giveBack(definition: Definition, held: Filter, isKeyed: boolean): Promise<void> {
  await putBack(definition, held, {});
  if (isKeyed) await followEnds(definition, held);
}

/**
 * Puts back, in the background, tasks that a claim may have taken and that were not handed out: at once, and once more after `afterMs`
 * milliseconds. Each try is repeated until it gets through or the lease has ended.
 */
export function giveBackLater(
  definition: Definition,
  held: Filter,
  { hint = '_id_', afterMs = 0 }: { hint?: string; afterMs?: number } = {},
): void {
  const tryPuttingBack = async () => {
    await putBack(definition, held, { hint, maxTimeMS: MAX_TIME_MS });
    if ('_id' in held && hint === '_id_') await followEnds(definition, held);
  };
  tryLater(tryPuttingBack, definition.options.leaseMs);
  if (afterMs > 0) tryLater(tryPuttingBack, definition.options.leaseMs, afterMs);
}

async function putBack(definition: Definition, held: Filter, how: object): Promise<void> {
  const { model, options, writeConcern } = definition;
  const isFirst = { $lte: ['$_task.attempts', 1] };
  const returned = cancelledOr(definition, {
    [options.fields.state]: State.CREATED,
    '_task.availableAt': '$_task.dueAt',
    '_task.attempts': attemptsBefore,
    // What was not begun was not started.
    '_task.startedAt': { $cond: [isFirst, '$$REMOVE', '$_task.startedAt'] },
  });
  await persistently(() => collectionOf(model).updateMany(held, [{ $set: returned }], { ...how, ...writeConcern }));
}
