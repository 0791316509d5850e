import type { PopulateOptions } from 'mongoose';
import { admitted, isUsual } from '../claim/admit';
import { failNameless, isDoubtful } from '../claim/nameless';
import { failUnreadable } from '../claim/unreadable';
import { type AnyDocument, type Definition, hydrate, type RawDocument } from '../definition/definition';
import { failExhausted } from '../settle/exhausted';
import { releaseMany } from '../settle/release-many';
import { rawFields } from '../settle/restore';
import { retryAnyhow } from '../settle/verbs';
import { attempts, holdLease } from '../task/handle';
import { crashed, type TellFailed, unreadable } from '../task/tell-failed';
import { trace } from '../task/trace';
import { shown } from '../values/check';
import { hasKept } from '../values/id';
import { inheritedName, isOfTask, type Populate } from './populate';

/** Makes documents of claimed tasks. A task that cannot be handed out ends its attempt alone, and is reported to `tell`. */
export async function handOut(
  definition: Definition,
  all: readonly RawDocument[],
  { populate }: { populate?: Populate | undefined },
  tell: TellFailed,
): Promise<AnyDocument[]> {
  const raw = all.some(isDoubtful) ? await failNameless(definition, all, tell) : all;
  const claimed: AnyDocument[] = [];
  const unread: Unread[] = [];
  for (const one of raw.every(isUsual) ? raw : await admitted(definition, raw, tell)) {
    const task = toTask(definition, one, unread);
    if (task) claimed.push(task);
  }
  for (const one of unread) await failUnread(definition, one, tell);
  const over = claimed.filter((task) => attempts(task) > definition.options.maxAttempts);
  // If that fails, the tasks are due again after this lease.
  if (over.length > 0)
    await Promise.allSettled(over.map((task) => failExhausted(task).then(() => tell(crashed(task), task))));
  const tasks = over.length === 0 ? claimed : claimed.filter((task) => !over.includes(task));
  for (const task of tasks) trace('popped', task);

  return populate === undefined || tasks.length === 0 ? tasks : populated(definition, tasks, populate, tell);
}

/** A claimed task of which no document can be made. */
interface Unread {
  readonly raw: RawDocument;
  readonly error: unknown;
}

function toTask(definition: Definition, raw: RawDocument, unread: Unread[]): AnyDocument | null {
  const { _id, _task: task } = raw;
  try {
    const document = hydrate(definition, raw);
    if (!hasKept(rawFields(document)['_id'], _id)) throw ofOtherId(definition, _id);
    holdLease(document, definition.options.leaseMs);
    return document;
  } catch (error) {
    // Hydrating has taken the bookkeeping out of the raw document.
    unread.push({ raw: { ...raw, _id, _task: task as unknown }, error });
    return null;
  }
}

// By another id it could not be settled.
function ofOtherId({ model }: Definition, id: unknown): TypeError {
  return new TypeError(`The schema of ${model.modelName} makes another \`_id\` of ${shown(id)}.`);
}

async function failUnread(definition: Definition, { raw, error }: Unread, tell: TellFailed): Promise<void> {
  await failUnreadable(definition, raw, error).catch(() => {});
  tell(unreadable(definition, raw._id, error), null);
}

async function populated(
  definition: Definition,
  all: AnyDocument[],
  populate: Populate,
  tell: TellFailed,
): Promise<AnyDocument[]> {
  const tasks: AnyDocument[] = [];
  for (const task of all) {
    const name = inheritedName(definition.model, populate, task);
    if (name === undefined) tasks.push(task);
    else await failUnpopulated(definition, task, new TypeError(`There is no model \`${name}\`.`), tell);
  }
  try {
    await definition.model.populate(tasks, populate as PopulateOptions);
    return tasks;
  } catch (error) {
    if (!isOfTask(definition.model, populate, error)) {
      // Tasks that cannot be populated go back: else no consumer would get them until their leases end.
      await releaseMany(tasks).catch(() => {});
      throw error;
    }
  }
  // A bad reference of one task must not keep back the others: each is populated alone.
  const complete = await Promise.all(tasks.map((task) => isPopulated(definition, task, populate, tell)));
  return tasks.filter((_, index) => complete[index]);
}

async function isPopulated(
  definition: Definition,
  task: AnyDocument,
  populate: Populate,
  tell: TellFailed,
): Promise<boolean> {
  try {
    await definition.model.populate([task], populate as PopulateOptions);
    return true;
  } catch (error) {
    await failUnpopulated(definition, task, error, tell);
    return false;
  }
}

async function failUnpopulated(
  definition: Definition,
  task: AnyDocument,
  error: unknown,
  tell: TellFailed,
): Promise<void> {
  const told = unreadable(definition, task._id, error);
  await retryAnyhow(task, error, () => {}).catch(() => {});
  tell(told, task);
}
