import { type AnyModel, collectionOf, definitionOf, namespaceOf, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { nextRun } from '../schedule/schedule';
import { connected, serverNow } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { perClient } from '../server/per-client';
import { readBookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';

/** How far the times of a collection were moved back, and the due times of its cron tasks that fit that, by id. */
interface Passed {
  ms: number;
  readonly fitting: Map<string, number>;
}

const passedOf = perClient(namespaceOf, (): Passed => ({ ms: 0, fitting: new Map() }));

/** Notes that the stored times of a collection were moved back. */
export function passed(model: AnyModel, ms: number): void {
  const { fitting } = passedOf(model);
  passedOf(model).ms += ms;
  for (const [id, dueAt] of fitting) fitting.set(id, dueAt - ms);
}

/**
 * Gives cron tasks the due time that they would have if the time had really passed: the queue computes it by the real clock, in whose days
 * the stored times lie earlier. Tasks with `every` count from their last due time, which was moved.
 */
export async function keepPhases(models: readonly AnyModel[]): Promise<void> {
  for (const model of models) {
    await connected(model);
    const { state } = definitionOf(model).options.fields;
    const waiting = { [state]: State.CREATED, '_task.schedule.cron': { $exists: true } };
    const found = await collectionOf(model)
      .find(waiting, { projection: { _task: 1 } })
      .toArray()
      .catch(throwExplained);
    for (const task of found) await keepPhase(model, task);
  }
}

async function keepPhase(model: AnyModel, { _id, _task: stored }: RawDocument): Promise<void> {
  const { ms, fitting } = passedOf(model);
  const { schedule, dueAt, slot, lastRun, waitingOn } = readBookkeeping(stored as object);
  // A run that waits for a retry keeps its slot, and its due time is a delay.
  if (!schedule || !dueAt || slot || fitting.get(keyOf(_id)) === dueAt.getTime()) return;

  const inItsDays = (time: Date) => new Date(time.getTime() + ms);
  const now = inItsDays(lastRun?.at ?? (await serverNow(model)));
  const next = nextRun(schedule, lastRun ? inItsDays(lastRun.slot) : now, now);
  const fits = ms === 0 ? dueAt : new Date(next.getTime() - ms);
  fitting.set(keyOf(_id), fits.getTime());
  if (ms === 0) return;

  const times = { '_task.dueAt': fits, ...(waitingOn ? {} : { '_task.availableAt': fits }) };
  await collectionOf(model)
    .updateOne({ _id, '_task.dueAt': dueAt } as object, { $set: times })
    .catch(throwExplained);
}
