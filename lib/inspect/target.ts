import { type AnyModel, type Definition, definitionOf, type Filter } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { LIVE_STATES, State } from '../fields';
import { connected, serverNow } from '../server/clock';
import { openRequest } from '../task/cancellation';
import { NEVER, shown } from '../values/check';
import type { Action } from './answers';
import { type Counted, countBounded, readBounded } from './bounded';
import { queryOf, type Search } from './filter';
import { idOf } from './ids';
import { ACT_MS, MAX_COUNT } from './limits';
import type { View } from './view';

/** Actions on tasks; the others are on a whole queue. */
export const TASK_ACTIONS = ['retry', 'cancel', 'delete', 'requeue', 'run', 'edit', 'unschedule'] as const;
export type TaskAction = (typeof TASK_ACTIONS)[number];

/** The tasks that are meant: by their ids, or all that match a search; with both, those of the ids that match it. */
export interface Target extends Search {
  readonly action: Action;
  /** As Extended JSON, or as the schema casts them. */
  readonly ids?: readonly string[] | undefined;
}

/** How many tasks an action would change. */
export async function countTarget(view: View, model: AnyModel, target: Target): Promise<Counted> {
  await connected(model);
  const { filter, hint } = await targetOf(view, model, target);

  return countBounded(model, filter, hint);
}

/** The ids of the tasks that an action is about, `limit` and one more at most. */
export async function idsOf(view: View, model: AnyModel, target: Target, limit: number): Promise<unknown[]> {
  checkTarget(target);
  if (target.ids) return target.ids.map((text) => idOf(model, text));
  const { filter, hint } = await targetOf(view, model, target);
  const found = await readBounded(model, {
    filter,
    projection: { _id: 1 },
    limit: limit + 1,
    maxTimeMS: ACT_MS,
    ...(hint !== undefined && { hint }),
  });

  return found.map(({ _id }) => _id as unknown);
}

async function targetOf(view: View, model: AnyModel, target: Target): Promise<{ filter: Filter; hint?: string }> {
  const { ids, state, q, action } = target;
  checkTarget(target);
  const now = await serverNow(model);
  const can = suitable(definitionOf(model), action as TaskAction, now);
  const ofIds = ids ? [{ _id: { $in: ids.map((text) => idOf(model, text)) } }] : [];
  if (!isSearched(target)) return { filter: { $and: [...ofIds, can] } };
  const { filter, hint } = queryOf(view, model, { state, q }, now);
  if (ids) return { filter: { $and: [...ofIds, filter, can] } };

  return { filter: { $and: [filter, can] }, ...(hint !== undefined && { hint }) };
}

/** Whether a state or words say which tasks are meant. */
export function isSearched({ state, q }: Search): boolean {
  return state !== undefined || q !== undefined;
}

/** Whether a search says nothing of the tasks. */
function isBlank(q = ''): boolean {
  return /^[\s"]*$|^\s*\{\s*\}\s*$/.test(q);
}

function checkTarget(target: Target): void {
  const { action, ids, state, q } = target;
  if (!(TASK_ACTIONS as readonly string[]).includes(action))
    throw new InvalidOptionError(
      `Expected an action on tasks, got ${shown(action)}. There are: ${TASK_ACTIONS.join(', ')}.`,
    );
  if (ids !== undefined && (!Array.isArray(ids) || ids.length === 0 || ids.length > MAX_COUNT))
    throw new InvalidOptionError(`Expected \`ids\` to be a list of 1 to ${MAX_COUNT} ids, got ${shown(ids)}.`);
  // An action without a word on which tasks it is about must not be about all.
  if (ids === undefined && state === undefined && isBlank(q))
    throw new InvalidOptionError(
      "Expected `ids`, `state` or `q`, got none. Write `state: ''` for all that have not ended.",
    );
}

/** The tasks that an action can change. None but a cancel and the end of a schedule changes one that runs. */
export function suitable({ options }: Definition, action: TaskAction, now: Date): Filter {
  const { state } = options.fields;
  const live = { [state]: { $in: [...LIVE_STATES] } };

  switch (action) {
    case 'retry':
      return { [state]: State.FAILED };
    case 'requeue':
      return { [state]: { $in: [State.FAILED, State.CANCELLED, State.FINISHED] } };
    case 'cancel':
      return { ...live, $nor: [{ [state]: State.RUNNING, $expr: openRequest }] };
    case 'run':
      return delayed(state, now);
    case 'unschedule':
      return { ...live, '_task.schedule': { $exists: true } };
    case 'delete':
    case 'edit':
      return { [state]: { $ne: State.RUNNING } };
  }
}

/** Tasks that wait for nothing but their time. */
export function delayed(state: string, now: Date): Filter {
  return {
    [state]: State.CREATED,
    '_task.availableAt': { $gt: now, $lt: NEVER },
    '_task.waitingOn': { $exists: false },
  };
}
