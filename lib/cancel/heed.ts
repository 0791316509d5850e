import { type AnyDocument, type AnyModel, collectionOf } from '../definition/definition';
import type { TaskCancelledError } from '../errors';
import { serverNow } from '../server/clock';
import { NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { hear } from '../settle/hear';
import { knownControl, onControl } from '../side/control';
import type { Bookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { handleOf, lease } from '../task/handle';
import { clearTimeout, setTimeout } from '../timers';
import { keyOf } from '../values/id';
import { endOverdueRegularly } from './overdue';
import { isStartByUsed } from './start-by-index';

/** Called once for a task that is to be cancelled. `leftMs`: how long it may still be finished, in milliseconds. */
export type OnCancel<Held> = (held: Held, error: TaskCancelledError, leftMs: number) => void;

/** A task that this process holds. */
export interface Holding {
  readonly task: AnyDocument;
}

/** After a signal the tasks are looked at once more: one may have been claimed before it and come into hand after the first look. */
const AGAIN_MS = 1_000;

/**
 * Calls `onCancel` for the tasks of a model that `held` lists and that are to be cancelled, until the returned function is called. Until
 * then this process also ends tasks that were not started in time.
 */
export function heed<Held extends Holding>(
  model: AnyModel,
  held: () => readonly Held[],
  onCancel: OnCancel<Held>,
): () => void {
  const known = knownControl(model);
  let seen = String(known?.cancelled ?? null);
  let stopEnding = known && isStartByUsed(known) ? endOverdueRegularly(model) : null;
  let again: NodeJS.Timeout | null = null;
  // A renewal that finds the request tells it as well.
  const look = () => void hearOf(model, held(), onCancel).catch(() => {});
  const stop = onControl(model, (control) => {
    if (isStartByUsed(control)) stopEnding ??= endOverdueRegularly(model);
    const now = String(control.cancelled);
    if (now === seen) return;
    seen = now;
    look();
    clearTimeout(again ?? undefined);
    again = setTimeout(look, AGAIN_MS);
    again.unref();
  });

  return () => {
    stop();
    stopEnding?.();
    clearTimeout(again ?? undefined);
  };
}

async function hearOf<Held extends Holding>(
  model: AnyModel,
  all: readonly Held[],
  onCancel: OnCancel<Held>,
): Promise<void> {
  const held = all.filter(({ task }) => lease(task) && !isOpen(handleOf(task).stored));
  if (held.length === 0) return;
  const asked = {
    _id: { $in: held.map(({ task }) => task._id as never) },
    '_task.cancel': { $exists: true },
  };
  const projection = { '_task.token': 1, '_task.cancel': 1, '_task.availableAt': 1 } as const;
  const found = await answered(
    collectionOf(model)
      .find(asked, { projection, ...NEWEST })
      .toArray(),
  );
  if (found.length === 0) return;
  const now = await serverNow(model);
  const byId = new Map(found.map(({ _id, _task: task }) => [keyOf(_id), task as Bookkeeping]));
  for (const one of held) tellOf(one, byId.get(keyOf(one.task._id)), now, onCancel);
}

/** Tells of a request that was found in a stored task, if this process holds that very task and has not heard of it. */
export function tellOf<Held extends Holding>(
  held: Held,
  stored: Bookkeeping | undefined,
  now: Date,
  onCancel: OnCancel<Held>,
): void {
  const { task } = held;
  const { token, cancel, availableAt } = stored ?? {};
  const isOwn = token !== undefined && token.toHexString() === lease(task)?.token;
  if (!isOwn || !cancel || isOpen(handleOf(task).stored)) return;

  onCancel(held, hear(task, cancel, availableAt), availableAt ? availableAt.getTime() - now.getTime() : 0);
}
