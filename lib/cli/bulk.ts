import type { AnyModel } from '../any';
import { act } from '../inspect/act';
import type { ActOptions, Outcome } from '../inspect/act-options';
import { idText } from '../inspect/ids';
import { MAX_COUNT } from '../inspect/limits';
import { idsOf, type TaskAction } from '../inspect/target';
import { type Context, ofEach, taskNamed, viewOf, withoutKinds } from './context';
import { stateNamed, wholeNumber } from './options';
import { UsageError } from './terminal';
import { count } from './words';

export interface BulkOptions {
  readonly state?: string;
  readonly limit?: string;
  readonly yes?: boolean;
}

/** Tasks of one model, and what is to be done with them. */
export interface Plan {
  readonly model: AnyModel;
  readonly action: TaskAction;
  readonly ids: readonly unknown[];
  /** What the tasks were found by: those are left alone that no longer match. */
  readonly search?: Pick<ActOptions, 'state' | 'q'>;
}

/** Which action a command means for a task in a state; null where it means none. */
export type ActionIn = (state: string, isDelayed: boolean) => TaskAction | null;

/** What was done with the tasks of one model. */
export interface Done extends Outcome {
  readonly model: string;
  readonly action: TaskAction;
}

/** So many are acted on at a time. */
const PART = 250;

/** Query words have a path and a value: without one, and without a state, all words are ids. */
export function areIds(words: readonly string[], { state }: BulkOptions): boolean {
  const isId = (word: string) => !word.includes(':') || word.startsWith('{"$');

  return state === undefined && words.length > 0 && words.every(isId);
}

/** A plan for each task that is named by its id. @throws {UsageError} where one of them is in a state that the command does not change. */
export async function planNamed(context: Context, ids: readonly string[], verb: string, by: ActionIn): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (const id of ids) {
    const { model, raw, state, task } = await taskNamed(context, id);
    const action = by(state, task.availableAt !== undefined && task.waitingOn === undefined);
    if (!action) throw new UsageError(`Nothing was done: ${id} is ${state}, which \`${verb}\` does not change.`);
    plans.push({ model, action, ids: [raw._id] });
  }

  return plans;
}

/** All tasks that match, by model. Without `--yes` they are counted, and nothing is done. */
export async function planMatching(
  context: Context,
  words: readonly string[],
  { state = '', limit: given = String(MAX_COUNT), yes = false }: BulkOptions,
  verb: string,
  action: TaskAction,
): Promise<Plan[]> {
  const limit = wholeNumber('limit', given, 1, MAX_COUNT);
  const search = { state: stateNamed(state), q: words.join(' ') };
  const plans: Plan[] = [];
  const counts: string[] = [];
  const found = await ofEach(context, withoutKinds(context.models), (model) =>
    idsOf(viewOf(context), model, { action, ...search }, limit),
  );
  for (const { model, result: ids } of found) {
    if (ids.length === 0) continue;
    plans.push({ model, action, ids: ids.slice(0, limit), search });
    counts.push(
      `${ids.length > limit ? `the first ${count(limit)} of more` : count(ids.length)} of ${model.modelName}`,
    );
  }
  if (yes || plans.length === 0) return plans;
  throw new UsageError(`Nothing was done: \`${verb}\` would take ${counts.join(', ')}. Add \`--yes\` to do it.`);
}

/** Acts on tasks a part at a time, with a bar where there are many. */
export async function carryOut(
  context: Context,
  { model, action, ids, search }: Plan,
  options: Pick<ActOptions, 'reason' | 'delayMs'>,
): Promise<Done> {
  const done: Done = { model: model.modelName, action, done: 0, skipped: [], more: false };
  const bar = ids.length > PART ? context.out.progress(action) : { at() {}, end() {} };
  try {
    for (let start = 0; start < ids.length; start += PART) {
      const part = ids.slice(start, start + PART).map(idText);
      const outcome = await act(viewOf(context), model, { action, ids: part, ...search, ...options });
      done.done += outcome.done;
      done.skipped.push(...outcome.skipped);
      bar.at(start + part.length, ids.length);
    }
  } finally {
    bar.end();
  }

  return done;
}
