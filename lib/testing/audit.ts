import { type AnyModel, definitionOf } from '../definition/definition';
import { doctor } from '../doctor';
import { indexesReady } from '../indexes/prepare';
import type { QueueOf } from '../model/input';
import { connected } from '../server/clock';
import { shownId } from '../values/id';
import { blocked } from '../waiting/blocked-by';

/** At most this many waiting tasks of a model are looked at for circles. */
const MAX_BLOCKED = 1_000;

/**
 * Looks for what must not be, whatever a test has done: tasks that would never run although what they wait for is done, keys and marks that
 * nobody holds, tasks that wait for each other in a circle, bookkeeping that cannot be read. Resolves to one line each; to none when
 * all is well. Tasks that have failed, or are waiting or running, are no fault.
 *
 * @throws {InvalidOptionError} for what is no model with the plugin.
 *
 * @example
 * afterEach(async () => expect(await audit([Email, Report])).toEqual([]));
 */
export async function audit(models: QueueOf<unknown> | readonly QueueOf<unknown>[]): Promise<string[]> {
  const given = [models].flat() as unknown as AnyModel[];
  const all = given.map((model) => definitionOf(model).model);
  for (const model of all) {
    await connected(model);
    await indexesReady(model);
  }
  const diagnoses = await doctor(all);
  const found = diagnoses
    .flatMap(({ findings }) => findings)
    .filter(({ severity }) => severity === 'error')
    .map(({ model, text }) => `${model}: ${text}`);
  const circles = await Promise.all(all.map(circlesOf));

  return [...new Set([...found, ...circles.flat()])];
}

async function circlesOf(model: AnyModel): Promise<string[]> {
  const waiting = await blocked(model, { limit: MAX_BLOCKED });

  return waiting.flatMap(({ blockedBy }) => {
    const cycle = blockedBy.find((by) => by.cycle !== null)?.cycle;
    const way = cycle?.map((one) => `${one.model} ${shownId(one.id)}`).join(' → ');

    return way === undefined ? [] : [`${model.modelName}: a task waits for itself: ${way}`];
  });
}
