import { candidateIds } from '../claim/candidates';
import { type Category, type ReadyQuery, readyQuery } from '../claim/ready';
import { type AnyDocument, type AnyModel, definitionOf, type RawDocument } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { withIndexes } from '../indexes/prepare';
import { whilePopping } from '../observe';
import { noteInHand } from '../settle/tasks-in-hand';
import { type TellFailed, tellModel } from '../task/tell-failed';
import { refuseUnknown, requireInteger } from '../values/check';
import { claimAtOnce, claimInParts } from './claim';
import { hasReady } from './claim-judged';
import { handOut } from './hand-out';
import { withOpenQuery } from './open-query';
import { claimNext } from './pop-batch';
import { checkPopulate, type Populate } from './populate';

/** Which tasks a pop takes, and how it hands them out. */
export interface PopOptions {
  /** Only tasks of this category, or of these; priority and age decide among them. Default: all. */
  category?: Category | undefined;

  /** References to populate in the tasks that are handed out. Default: none. */
  populate?: Populate | undefined;
}

const MAX_LIMIT = 1_000;
/** From this many unreadable tasks in a row on, the fault is not theirs. */
const MANY = 10;

/** Counts the tasks that one pop could not read. */
class Unreadable {
  #count = 0;
  #last: unknown;

  constructor(private readonly told: TellFailed) {}

  readonly tell: TellFailed = (error, task) => {
    if (error.cause !== undefined) {
      this.#count++;
      this.#last = error.cause;
    }
    this.told(error, task);
  };

  get areMany(): boolean {
    return this.#count >= MANY;
  }

  /** @throws the error of the last unreadable task, if there were MANY. */
  refuseMany(): void {
    if (this.areMany) throw this.#last;
  }
}

/** Takes the next ready task, or null. See `TaskStatics.pop`. */
export async function pop(model: AnyModel, options: PopOptions = {}): Promise<AnyDocument | null> {
  refuseUnknown(options, ['category', 'populate'], 'pop()');
  checkPopOptions(model, options);

  return whilePopping(model, () => popNext(model, options, tellModel(model)));
}

/** Takes the next ready task, or null, by options that were checked. Tasks that cannot be handed out are reported to `tell`. */
export async function popNext(model: AnyModel, options: PopOptions, tell: TellFailed): Promise<AnyDocument | null> {
  const definition = definitionOf(model);
  const unreadable = new Unreadable(tell);
  const claim = () => withOpenQuery(definition, options.category, (query) => claimNext(definition, query), null);
  for (;;) {
    const raw = await withIndexes(model, claim);
    if (!raw) return null;

    const [task] = await handOut(definition, [raw], options, unreadable.tell);
    if (task) {
      noteInHand(task);
      return task;
    }
    // The task had used its attempts, or cannot be handed out: try the next.
    unreadable.refuseMany();
  }
}

/** Takes up to `limit` ready tasks in one claim. See `TaskStatics.popMany`. */
export async function popMany(model: AnyModel, limit: number, options: PopOptions = {}): Promise<AnyDocument[]> {
  refuseUnknown(options, ['category', 'populate'], 'popMany()');
  requireInteger('limit', limit, 1, MAX_LIMIT, 'tasks', '`popMany(100)`');
  checkPopOptions(model, options);

  return whilePopping(model, () => popSome(model, limit, options));
}

async function popSome(model: AnyModel, limit: number, options: PopOptions): Promise<AnyDocument[]> {
  const tasks: AnyDocument[] = [];
  try {
    await popUpTo(model, limit, options, claimAtOnce, (popped) => void tasks.push(...popped), tellModel(model));
  } catch (error) {
    // Tasks claimed before the error are handed out; the next claim reports the error.
    if (tasks.length === 0) throw error;
  }
  tasks.forEach(noteInHand);

  return tasks;
}

/** Takes up to `limit` ready tasks for a worker: `take` gets them as they come, not in order. Resolves to their number. */
export async function popInParts(
  model: AnyModel,
  limit: number,
  options: PopOptions,
  take: (tasks: AnyDocument[]) => void,
  tell: TellFailed,
): Promise<number> {
  return popUpTo(model, limit, options, claimInParts, take, tell);
}

async function popUpTo(
  model: AnyModel,
  limit: number,
  options: PopOptions,
  claimUpTo: typeof claimInParts,
  take: (tasks: AnyDocument[]) => void,
  tell: TellFailed,
): Promise<number> {
  const definition = definitionOf(model);
  let count = 0;
  const unreadable = new Unreadable(tell);
  const takeRaw = async (raw: RawDocument[]) => {
    const tasks = await handOut(definition, raw, options, unreadable.tell);
    count += tasks.length;
    take(tasks);
  };
  while (count < limit) {
    const asked = limit - count;
    const claimed = await withIndexes(model, () =>
      withOpenQuery(definition, options.category, (query) => claimUpTo(definition, query, limit - count, takeRaw), 0),
    );
    // Fewer may have been handed out than claimed: tasks that had used their attempts were failed, and others may come after them.
    if (claimed < asked) break;
    if (count === 0) unreadable.refuseMany();
    // One that recurs may be due again at once, for ever.
    if (unreadable.areMany) break;
  }

  return count;
}

/** Whether nothing can be popped now. See `TaskStatics.isEmpty`. */
export async function isEmpty(model: AnyModel, options: Pick<PopOptions, 'category'> = {}): Promise<boolean> {
  refuseUnknown(options, ['category'], 'isEmpty()');
  const definition = definitionOf(model);
  readyQuery(definition, options.category);

  const none = async (query: ReadyQuery) =>
    hasDependencies(model)
      ? !(await hasReady(definition, query))
      : (await candidateIds(definition, query, 1)).length === 0;
  return withIndexes(model, () => withOpenQuery(definition, options.category, none, true));
}

/** @throws {InvalidOptionError} for a `category` or `populate` that the model cannot serve. */
export function checkPopOptions(model: AnyModel, { category, populate }: PopOptions): void {
  readyQuery(definitionOf(model), category);
  if (populate !== undefined) checkPopulate(model, populate);
}
