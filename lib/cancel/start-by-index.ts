import { type AnyModel, definitionOf, rootOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { State } from '../fields';
import { declare } from '../indexes/declared';
import { ensureIndexes, ensureTaskIndexes } from '../indexes/ensure';
import type { TaskIndex } from '../indexes/existing';
import { connected } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { isUnauthorized } from '../server/permanent';
import { NEWEST } from '../server/read';
import { persistently } from '../server/transient';
import { CONTROL, type Control, controlIn, NO_CONTROL, sideOf } from '../side/collection';
import { noteUse } from '../side/control';

/** The use of `startBy`, as all processes that work the queue hear of it. */
const USE = 'startBy';

export const START_BY = '_task.startBy';

/** The index of the tasks that must be started in time. It is not there before the first of them. */
export function startByIndex(model: AnyModel): TaskIndex {
  const { state } = definitionOf(model).options.fields;

  return {
    name: 'task_startBy',
    key: { [START_BY]: 1 },
    partialFilterExpression: { [state]: State.CREATED, [START_BY]: { $exists: true } },
  };
}

const prepared = new WeakMap<AnyModel, Promise<void>>();

/** Resolves once tasks of the model can have a `startBy`: their index is there, and who works the queue can know of it. */
export function startByReady(model: AnyModel): Promise<void> {
  const ready = prepared.get(model) ?? prepare(model);
  prepared.set(model, ready);
  ready.catch(() => prepared.delete(model));

  return ready;
}

/** Makes the next push with a `startBy` look for the index again, because it was dropped. */
export function forgetStartBy(model: AnyModel): void {
  prepared.delete(model);
}

/** Tells who works the queue that there are such tasks. They make the index if they find none. */
export function noteStartBy(model: AnyModel): Promise<void> {
  return noteUse(model, USE);
}

export function isStartByUsed({ uses }: Control): boolean {
  return uses.includes(USE);
}

/** Creates the indexes of the queue in a deploy step: besides those of every queue the one of `startBy`, if any program has used that. */
export async function ensureDeployed(model: AnyModel): Promise<void> {
  await connected(definitionOf(model).model);
  requireSettings(model);
  await ensureTaskIndexes(model);
  if (isStartByUsed(await readControl(model).catch(throwExplained))) await ensure(model);
}

async function prepare(model: AnyModel): Promise<void> {
  await ensure(model);
  await noteStartBy(model);
}

async function ensure(model: AnyModel): Promise<void> {
  const index = startByIndex(model);
  declare(rootOf(model), [index]);
  await ensureIndexes(model, [index]).catch(throwExplained);
}

/** Who may only create indexes does not see what is used. */
async function readControl(model: AnyModel): Promise<Control> {
  const stored = persistently(() => sideOf(model).findOne(CONTROL, NEWEST));

  return stored.then(controlIn, (error: unknown) => {
    if (!isUnauthorized(error)) throw error;
    return NO_CONTROL;
  });
}
