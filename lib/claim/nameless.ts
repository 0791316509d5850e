import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { read } from '../server/read';
import { persistently } from '../server/transient';
import type { Bookkeeping } from '../task/bookkeeping';
import { ended, withFailure } from '../task/ending';
import { heldAsClaimed } from '../task/held';
import { nameless, type TellFailed } from '../task/tell-failed';
import { describe } from '../values/describe';
import { isExact } from '../values/id';
import { isPlain, isWritable } from '../values/writable';
import { isKeyed } from './behind';
import { claimOne } from './claim-one';
import { giveBack } from './give-back';
import { readyQuery, type ReadyQuery } from './ready';

/*
 * A task is nameless if no filter by its `_id` finds it, because the driver sends something else than it has read. It can be claimed by its
 * place in the claim order, and be found by the token of that claim.
 */

/** Why a nameless task is failed. */
const REASON =
  'The driver cannot send its `_id` as it reads it. Store the document again with another `_id`: an ObjectId, a number, a text in UTF-8, or a date that JavaScript has.';

/** Whether a claimed task may be nameless. One with an object for its `_id` that was claimed before may have been lost for that. */
export function isDoubtful(task: RawDocument): boolean {
  return !isExact(task._id) || (isPlain(task._id) && (bookkeepingOf(task).attempts ?? 0) > 1);
}

/** Fails those of claimed tasks that are nameless, and returns the others. */
export async function failNameless(
  definition: Definition,
  claimed: readonly RawDocument[],
  tell: TellFailed,
): Promise<RawDocument[]> {
  const others: RawDocument[] = [];
  for (const task of claimed) {
    if (!isDoubtful(task) || (await isReachable(definition, task))) others.push(task);
    // Should that not get through, it is due again after this lease.
    else if (await fail(definition, task).catch(() => false)) tell(nameless(definition, task._id, REASON), null);
  }

  return others;
}

/** Claims the next task if it is nameless. Who asks knows of no other that could be claimed. */
export async function claimNameless(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  const claimed = await claimOne(definition, query);
  if (!claimed || !(await isReachable(definition, claimed))) return claimed;
  await giveBack(definition, heldAsClaimed(definition, [claimed]), isKeyed(claimed));

  return null;
}

async function isReachable({ model }: Definition, task: RawDocument): Promise<boolean> {
  const { _id } = task;
  if (!isWritable(_id)) return false;
  const filter = { _id: { $eq: _id as unknown }, '_task.token': bookkeepingOf(task).token };
  const found = await read(model, { filter, projection: { _id: 1 }, limit: 1 });

  return found.length > 0;
}

/** Returns whether this failed it. */
async function fail(definition: Definition, task: RawDocument): Promise<boolean> {
  const { model, options, writeConcern } = definition;
  const { filter, hint } = readyQuery(definition);
  const { $expr: _, ...live } = filter;
  const { availableAt, attempts = 1, token } = bookkeepingOf(task);
  // The index leads to the end of its lease.
  const held = {
    ...live,
    [options.fields.state]: State.RUNNING,
    '_task.availableAt': availableAt,
    '_task.token': token,
  };
  const failure = withFailure({ ...describe(REASON), attempt: attempts });
  const update = [{ $set: { ...ended(definition, State.FAILED), ...failure } }];
  const { modifiedCount } = await persistently(() =>
    collectionOf(model).updateOne(held, update, { hint, ...writeConcern }),
  );

  return modifiedCount > 0;
}

function bookkeepingOf({ _task: task }: RawDocument): Bookkeeping {
  return (task ?? {}) as Bookkeeping;
}
