import type { ClientSession } from 'mongoose';
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
import { handleOf } from '../task/handle';
import { adopt, type Change } from './change';
import { absences } from './expected';
import { canSave, save } from './save';
import { endInBatch, type Ending } from './settle-batch';
import { dropForged } from './stage-changes';

/**
 * For each document that is being written, the writes that wait for their turn. One at a time: the second of two `finish()` must not write
 * the modified fields of the first.
 */
const underWay = new Map<AnyDocument, (() => void)[]>();

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
  const waiting = underWay.get(document);
  if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
  else underWay.set(document, []);
  try {
    dropForged(document);
    const isSave = document.isModified() || !canSave(document);
    const touchedAt = isSave ? undefined : definitionOf(modelOf(document)).updatedAt?.now();
    const matched = await (isSave
      ? save(document, filter, change, session)
      : update(document, filter, change, touchedAt, session));
    if (matched) adopt(document, change, touchedAt);

    return matched;
  } finally {
    passTurn(document);
  }
}

/** Whether a write of the document's state is under way. */
export function isBeingWritten(document: AnyDocument): boolean {
  return underWay.has(document);
}

function passTurn(document: AnyDocument): void {
  const next = underWay.get(document)!.shift();
  if (next) next();
  else underWay.delete(document);
}

function update(
  document: AnyDocument,
  filter: Filter,
  change: Change,
  touchedAt: Date | number | undefined,
  session: ClientSession | null,
): Promise<boolean> {
  const definition = definitionOf(modelOf(document));
  const absent = absences(filter);
  const ending = session || !absent ? null : endingOf(document, change, touchedAt, absent);
  if (ending) return endInBatch(definition, ending);

  return updateOne(definition, { _id: document._id, ...filter }, change, touchedAt, session);
}

// The ending of a held task, signed with its lease's token, or null. Without a lease, the batch could not tell this end from another's.
function endingOf(
  document: AnyDocument,
  { state, task }: Change,
  touchedAt: Ending['touchedAt'],
  absent: Ending['absent'],
): Ending | null {
  const isEnd = state === State.FINISHED || state === State.FAILED;
  const isHeld = task.token !== undefined && handleOf(document).lease?.token === task.token.toHexString();
  if (!isHeld || !task.token || !isEnd || task.attempts !== undefined || 'key' in task) return null;

  return { id: document._id, token: task.token, state, errors: task.errors, touchedAt, absent };
}

async function updateOne(
  { model, options, updatedAt, writeConcern }: Definition,
  filter: Filter,
  { state, task }: Change,
  touchedAt: Date | number | undefined,
  session: ClientSession | null,
): Promise<boolean> {
  const $set: Record<string, unknown> = { [options.fields.state]: state };
  const $unset: Record<string, true> = {};
  for (const [name, value] of Object.entries(task)) {
    if (value === undefined) $unset[`_task.${name}`] = true;
    else $set[`_task.${name}`] = value;
  }
  if (updatedAt) $set[updatedAt.path] = touchedAt;

  const write = { $set, ...(Object.keys($unset).length > 0 && { $unset }) };
  const run = () => collectionOf(model).updateOne(filter, write, { ...writeConcern, ...(session && { session }) });
  const { matchedCount } = session?.inTransaction() ? await answered(run()) : await persistently(run);

  return matchedCount > 0;
}
