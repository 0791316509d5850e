import type { PopulateOptions } from 'mongoose';
import { refuseUnknown, requireInteger } from '../check';
import { candidateIds } from './candidates';
import { claimAtOnce, claimInParts } from './claim';
import { claimNext } from './collect';
import { crashed, tellModel, type TellCrashed } from './crashed';
import { hasReady } from '../dependencies/claim-ready';
import { hasDependencies } from '../dependencies/references';
import {
  definitionOf,
  hydrate,
  type AnyDocument,
  type AnyModel,
  type Definition,
  type RawDocument,
} from '../definition';
import { attempts, holdLease } from '../handle';
import { withIndexes } from '../prepare';
import { checkPopulate, type Populate } from './populate';
import { readyQuery, type Category } from './ready';
import { noteInHand } from '../settle/in-hand';
import { failOver, release } from '../settle/settle';
import { trace } from '../trace';

export interface PopOptions {
  /** Only tasks of this category, or of one of several; priority and age decide among them. Default: all. */
  category?: Category | undefined;

  /** References to populate in the tasks that are handed out. Default: none. */
  populate?: Populate | undefined;
}

const MAX_LIMIT = 1_000;

/** Takes the next ready task, or null. See `TaskStatics.pop`. */
export async function pop(model: AnyModel, options: PopOptions = {}): Promise<AnyDocument | null> {
  refuseUnknown(options, ['category', 'populate'], 'pop()');
  checkPopOptions(model, options);

  return popNext(model, options, tellModel);
}

/** The same with options that were checked. `tell` hears of a task that was failed because it had used its attempts. */
export async function popNext(model: AnyModel, options: PopOptions, tell: TellCrashed): Promise<AnyDocument | null> {
  const definition = definitionOf(model);
  const query = readyQuery(definition, options.category);
  for (;;) {
    const raw = await withIndexes(model, () => claimNext(definition, query));
    if (!raw) return null;

    const [task] = await handOut(definition, [raw], options, tell);
    if (task) {
      noteInHand(task);
      return task;
    }
    // It had used its attempts and was failed: on to the next.
  }
}

/** Takes up to `limit` ready tasks in one claim. See `TaskStatics.popMany`. */
export async function popMany(model: AnyModel, limit: number, options: PopOptions = {}): Promise<AnyDocument[]> {
  refuseUnknown(options, ['category', 'populate'], 'popMany()');
  requireInteger('limit', limit, 1, MAX_LIMIT, 'tasks', '`popMany(100)`');
  checkPopOptions(model, options);

  const tasks: AnyDocument[] = [];
  await popUpTo(model, limit, options, claimAtOnce, (popped) => void tasks.push(...popped), tellModel);
  tasks.forEach(noteInHand);

  return tasks;
}

/** The same for a worker, whose tasks run side by side: hands them over as they come. Returns how many there were. */
export async function popInParts(
  model: AnyModel,
  limit: number,
  options: PopOptions,
  take: (tasks: AnyDocument[]) => void,
  tell: TellCrashed,
): Promise<number> {
  return popUpTo(model, limit, options, claimInParts, take, tell);
}

async function popUpTo(
  model: AnyModel,
  limit: number,
  options: PopOptions,
  claimUpTo: typeof claimInParts,
  take: (tasks: AnyDocument[]) => void,
  tell: TellCrashed,
): Promise<number> {
  const definition = definitionOf(model);
  const query = readyQuery(definition, options.category);
  let count = 0;
  const takeRaw = async (raw: RawDocument[]) => {
    const tasks = await handOut(definition, raw, options, tell);
    count += tasks.length;
    take(tasks);
  };
  while (count < limit) {
    const asked = limit - count;
    const claimed = await withIndexes(model, () => claimUpTo(definition, query, limit - count, takeRaw));
    // Those that had used their attempts were failed, and others may be behind them.
    if (claimed < asked) break;
  }

  return count;
}

/** Whether nothing can be popped now. See `TaskStatics.isEmpty`. */
export async function isEmpty(model: AnyModel, options: Pick<PopOptions, 'category'> = {}): Promise<boolean> {
  refuseUnknown(options, ['category'], 'isEmpty()');
  const definition = definitionOf(model);
  const query = readyQuery(definition, options.category);
  if (hasDependencies(model)) return !(await withIndexes(model, () => hasReady(definition, query)));

  const found = await withIndexes(model, () => candidateIds(definition, query, 1));
  return found.length === 0;
}

/** @throws {InvalidOptionError} for a category or populate option the model cannot serve. */
export function checkPopOptions(model: AnyModel, { category, populate }: PopOptions): void {
  readyQuery(definitionOf(model), category);
  if (populate !== undefined) checkPopulate(model, populate);
}

async function handOut(
  definition: Definition,
  raw: RawDocument[],
  { populate }: PopOptions,
  tell: TellCrashed,
): Promise<AnyDocument[]> {
  const claimed = raw.map((document) => toTask(definition, document));
  const over = claimed.filter((task) => attempts(task) > definition.options.maxAttempts);
  // Should that not get through, they are due again after this lease.
  if (over.length > 0)
    await Promise.allSettled(over.map((task) => failOver(task).then(() => tell(crashed(task), task))));
  const tasks = over.length === 0 ? claimed : claimed.filter((task) => !over.includes(task));
  for (const task of tasks) trace('popped', task);
  if (populate === undefined || tasks.length === 0) return tasks;
  try {
    await definition.model.populate(tasks, populate as PopulateOptions);
  } catch (error) {
    // A task that cannot be handed out complete goes back, or nobody would see it until its lease ends.
    await Promise.allSettled(tasks.map((task) => release(task)));
    throw error;
  }

  return tasks;
}

function toTask(definition: Definition, raw: RawDocument): AnyDocument {
  const task = hydrate(definition, raw);
  holdLease(task, definition.options.leaseMs);

  return task;
}
