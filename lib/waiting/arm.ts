import { Types } from 'mongoose';
import { type AnyModel, collectionOf, type Definition, type WriteConcern } from '../definition/definition';
import type { Target, Watch } from '../dependencies/targets';
import type { Awaited } from '../dependencies/verdict';
import { isUnmarkable } from '../indexes/outbox';
import { tryLater } from '../server/retry-later';
import { isOutOfReach, isUncertain } from '../server/transient';
import { Turns } from '../turns';
import { keyOf } from '../values/id';
import { type Bounds, writeConfirmed, writePastLocked } from './bounded-write';
import { unwatchedRecheckAt } from './recheck-time';
import { watchesOn } from './waited-for';

/** Marks the documents that tasks wait for. If a document refuses the mark, its tasks are re-checked soon. */
export async function arm(
  definition: Definition,
  waiting: readonly { task: { _id?: unknown }; target: Target | null; on: readonly Awaited[] }[],
): Promise<void> {
  const arms = new Arms(definition.writeConcern);
  const turns = new Turns();
  for (const { target, on } of waiting) {
    if (!target) continue;
    await turns.each(on, (one) => {
      if (one.standing !== 'missing') for (const watch of watchesOn(target, one)) arms.add(watch, one.id);
    });
  }
  await orLater(definition, async () => {
    const refused = new Set((await arms.set()).map(keyOf));
    if (refused.size === 0) return;
    const unwatched = waiting.filter(({ on }) => on.some(({ id }) => refused.has(keyOf(id))));
    await recheckSoon(
      definition,
      unwatched.map(({ task }) => task._id),
    );
  });
}

/** Marks the documents that tasks were failed by. */
export async function armDoomed(
  definition: Definition,
  doomed: readonly { target: Target | null; by: readonly Awaited[] }[],
): Promise<void> {
  const arms = new Arms(definition.writeConcern);
  const turns = new Turns();
  for (const { target, by } of doomed) {
    const watch = target?.whenRevived;
    if (watch) await turns.each(by, ({ id, standing }) => standing === 'failed' && arms.add(watch, id));
  }
  await orLater(definition, () => arms.set());
}

/** Sets marks, also later in the background: the tasks are parked, and nothing else sets their marks before their re-checks. */
async function orLater({ options }: Definition, setMarks: () => Promise<unknown>): Promise<void> {
  try {
    await setMarks();
  } catch (error) {
    if (isUncertain(error)) tryLater(setMarks, options.recheckMs);
    throw error;
  }
}

async function recheckSoon(definition: Definition, ids: readonly unknown[]): Promise<void> {
  const { model, writeConcern } = definition;
  const update = [{ $set: { '_task.recheckAt': unwatchedRecheckAt(definition) } }];

  await writePastLocked(model, writeConcern, ids, (some, bounds) => {
    const parked = { _id: { $in: some as never[] }, '_task.waitingOn': { $exists: true } };
    return collectionOf(model).updateMany(parked, update, { ...bounds });
  });
}

/** Marks to be set, collected by watch so that each is one write. */
class Arms {
  readonly #ids = new Map<Watch, Map<string, unknown>>();

  /** @param concern The write concern of the tasks that wait: a mark must last as long as they do. */
  constructor(private readonly concern: WriteConcern) {}

  add(watch: Watch, id: unknown): void {
    const ids = this.#ids.get(watch) ?? new Map<string, unknown>();
    this.#ids.set(watch, ids);
    ids.set(keyOf(id), id);
  }

  /** Resolves to the ids of the documents that refused their marks. */
  async set(): Promise<unknown[]> {
    const refused: unknown[] = [];
    for (const [watch, ids] of this.#ids) refused.push(...(await setMarks(watch, [...ids.values()], this.concern)));

    return refused;
  }
}

async function setMarks({ model, mark }: Watch, ids: unknown[], concern: WriteConcern): Promise<unknown[]> {
  const write = (some: unknown[], bounds: Bounds) => setMark(model, mark, some, bounds);
  try {
    const refused = await writeConfirmed(model, concern, ids, { write, isRefusal });
    return refused.map(({ item }) => item);
  } catch (error) {
    if (isUnmarkable(error)) return ids;
    throw error;
  }
}

async function setMark(model: AnyModel, mark: string, ids: unknown[], bounds: Bounds): Promise<void> {
  // A token of its own for each write: a waker removes only the one it has read, never a later one.
  const update = { $set: { [`_task.armed.${mark}`]: new Types.ObjectId() } };
  await collectionOf(model).updateMany({ _id: { $in: ids as never[] } }, update, { ...bounds, hint: '_id_' });
}

// A refusal for single documents, for example by a validator or a lock, is left to the re-check.
function isRefusal(error: unknown): boolean {
  const isOfServer = typeof (error as { code?: unknown }).code === 'number';

  return isOfServer && !isUnmarkable(error) && !isOutOfReach(error);
}
