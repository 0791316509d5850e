import type { ClientSession, mongo } from 'mongoose';
import {
  type AnyDocument,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  modelOf,
} from '../definition/definition';
import { State } from '../fields';
import { answered } from '../server/time-limit';
import { persistently } from '../server/transient';
import { type Handle, handleOf } from '../task/handle';
import { addBookkeeping, adopt, type Change } from './change';
import { absences } from './expected';
import { tokenIn, writeHeld } from './held-writes';
import { canSave, noteFailed, save } from './save';
import { endInBatch, type Ending } from './settle-batch';
import { dropForged } from './stage-changes';

/**
 * Writes a change of the task's state together with the fields the user modified, in one update that happens only while `filter`
 * matches. Modified fields are validated and saved with the schema's save hooks. Resolves to whether the filter matched; if not, or on an
 * error, the document is as it was before. An error of a hook after the write is left to `throwHookError()`.
 */
export async function writeIf(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  session: ClientSession | null,
): Promise<boolean> {
  // One at a time: the second of two `finish()` must not write the modified fields of the first.
  const handle = handleOf(document);
  const { writes } = handle;
  if (writes) await new Promise<void>((resolve) => writes.push(resolve));
  else handle.writes = [];
  try {
    dropForged(document);
    const isSave = document.isModified() || !canSave(document);
    const touchedAt = isSave ? undefined : definitionOf(modelOf(document)).updatedAt?.now();
    const matched = await (isSave
      ? save(document, filter, change, session)
      : update(document, filter, change, touchedAt, session));
    if (matched) adopt(document, change, touchedAt);

    return matched;
  } catch (error) {
    noteFailed(document);
    throw error;
  } finally {
    passTurn(handle);
  }
}

/** Whether a write of the document's state is under way. */
export function isBeingWritten(document: AnyDocument): boolean {
  return handleOf(document).writes !== null;
}

function passTurn(handle: Handle): void {
  const next = handle.writes!.shift();
  if (next) next();
  else handle.writes = null;
}

function update(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  touchedAt: Ending['touchedAt'],
  session: ClientSession | null,
): Promise<boolean> {
  const definition = definitionOf(modelOf(document));
  const token = session ? null : tokenIn(document, filter, change);
  const absent = absences(filter);
  if (token && absent && isPlainEnd(change)) {
    return endInBatch(definition, { id: document._id, token, state: change.state, touchedAt, absent });
  }

  const where = { _id: document._id, ...filter };
  const write = updateOf(definition, change, touchedAt);
  if (!token) return updateOne(definition, where, write, session);
  return writeHeld(definition, { token, state: change.state, filter: where, update: write, isRepeat: false });
}

// An end that is the same for all tasks that end alike.
function isPlainEnd(change: Change): change is Change & Pick<Ending, 'state'> {
  const { state, task } = change;

  const isEnd = state === State.FINISHED || state === State.FAILED;
  return isEnd && task.attempts === undefined && !task.errors && !('key' in task);
}

function updateOf({ options, updatedAt }: Definition, change: Change, touchedAt: Ending['touchedAt']): mongo.Document {
  const $set: Record<string, unknown> = { [options.fields.state]: change.state };
  const update = { $set };
  addBookkeeping(update, change);
  if (updatedAt) $set[updatedAt.path] = touchedAt;

  return update;
}

async function updateOne(
  { model, writeConcern }: Definition,
  filter: Filter,
  write: mongo.Document,
  session: ClientSession | null,
): Promise<boolean> {
  const run = () => collectionOf(model).updateOne(filter, write, { ...writeConcern, ...(session && { session }) });
  const { matchedCount } = session?.inTransaction() ? await answered(run()) : await persistently(run);

  return matchedCount > 0;
}
