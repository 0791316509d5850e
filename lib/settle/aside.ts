import type { ClientSession } from 'mongoose';
import { letGoAnyhow } from '../claim/behind';
import { type AnyDocument, collectionOf, definitionOf, type Filter, modelOf } from '../definition/definition';
import { whenCommitted } from '../definition/transaction';
import { State } from '../fields';
import { indexName } from '../indexes/claim-index';
import { isDuplicateKey, keyText, liveOf } from '../indexes/key-index';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { type Bookkeeping, handleOf } from '../task/handle';
import type { Change } from './change';
import { nextSlot } from './next-slot';
import { writeIf } from './write';

/** The end of a recurring task, as `nextSlot()`: one that is aside has its key back then. */
export function atNextSlot<C extends Change>(task: AnyDocument, end: C): C {
  const next = nextSlot(task, end);
  const { key } = handleOf(task).stored;
  if (next === end || typeof key !== 'object') return next;

  return { ...next, task: { ...next.task, key: key.running, aside: undefined } };
}

/**
 * Writes a change as `writeIf()` does. A recurring task that is aside ends for good if its successor has its key by then: that one recurs in its
 * place. Resolves to what was written, or to null.
 */
export function writeEnd<C extends Change>(
  task: AnyDocument,
  filter: Filter,
  change: C,
  session: ClientSession | null,
): Promise<C | null> {
  const write = (one: C) => writeIf(task, filter, one, session).then((isWritten) => (isWritten ? one : null));
  const { key } = change.task;

  return change.state === State.CREATED && typeof key === 'string'
    ? writeWithKey(task, key, change, write, session)
    : write(change);
}

async function writeWithKey<C extends Change>(
  task: AnyDocument,
  key: string,
  change: C,
  write: (one: C) => Promise<C | null>,
  session: ClientSession | null,
): Promise<C | null> {
  // A key that is taken would abort a transaction.
  if (session?.inTransaction()) return write((await hasSuccessor(task, key, session)) ? forGood(task, change) : change);
  try {
    return await write(change);
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return write(forGood(task, change));
  }
}

/** Lets the successor of a task start once the task has ended under the name of `aside`. */
export async function follow(
  task: AnyDocument,
  aside: NonNullable<Bookkeeping['aside']>,
  change: Change,
  session: ClientSession | null,
): Promise<void> {
  const key = keyText(handleOf(task).stored.key);
  if (key === undefined || !('aside' in change.task)) return;

  const start = () => letGoAnyhow(definitionOf(modelOf(task)), key, aside);
  if (session?.inTransaction()) whenCommitted(session, () => void start());
  else await start();
}

async function hasSuccessor(task: AnyDocument, key: string, session: ClientSession): Promise<boolean> {
  const definition = definitionOf(modelOf(task));
  const how = { projection: { _id: 1 }, hint: indexName(definition, 'key'), ...NEWEST, session };

  return (await answered(collectionOf(definition.model).findOne(liveOf(definition, key), how))) !== null;
}

/** The end of the last run, instead of the next slot. */
function forGood<C extends Change>(task: AnyDocument, change: C): C {
  const { attempts: _, dueAt: _next, lastRun, ...others } = change.task;
  const { state = State.FINISHED, at: settledAt } = lastRun ?? {};
  const over = { schedule: undefined, slot: undefined, expiresFrom: settledAt, settledAt };

  return { ...change, state, task: { ...others, ...over, availableAt: handleOf(task).stored.dueAt } };
}
