import type { ClientSession } from 'mongoose';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { InvalidOptionError } from '../errors';
import { announceAt } from '../notify/due';
import { type TraceContext, whilePushing } from '../observe';
import { firstRun, resolveSchedule, type ScheduleOptions } from '../schedule/schedule';
import { serverNow } from '../server/clock';
import { keepForUndo } from '../settle/snapshot';
import { type Bookkeeping, handleOf } from '../task/handle';
import { trace } from '../task/trace';
import { MAX_DELAY_MS, refuseUnknown, requireDate, requireInteger, requireText } from '../values/check';
import { checkPriority, explainPush, toDocument } from './input';
import { insertTasks } from './insert';
import { type Pushed, pushUnderKey } from './key';
import { checkOnDuplicate, checkWindow, debounceOf, DUPLICATE_OPTIONS, type OnDuplicateOptions } from './on-duplicate';
import { requeue } from './requeue';
import { checkStartBy, prepareStartBy, startByOf, watchStartBy } from './start-by';

/** Options of `push()`. */
export interface PushOptions extends ScheduleOptions, OnDuplicateOptions {
  /** A session, to push in its transaction: the task is visible only after the commit. Default: none. */
  session?: ClientSession | null | undefined;

  /** How long the task waits before it can be popped, in milliseconds. Default: 0. */
  delayMs?: number | undefined;

  /** When the task can be popped, by the server's clock. Default: now. Not together with `delayMs`. */
  runAt?: Date | undefined;

  /**
   * When the task must have been started first, by the server's clock: a task that was not is CANCELLED, with the reason 'not started in
   * time'. A retry may come later. Not before the due time, not for recurring tasks, not together with `startWithinMs`. Default: none.
   */
  startBy?: Date | undefined;

  /** The same, in milliseconds from the due time. Default: none. */
  startWithinMs?: number | undefined;

  /** At most one live task (CREATED or RUNNING) has this key: a second push does what `onDuplicate` says. Default: none. */
  key?: string | undefined;
}

const KNOWN = [
  'session',
  'delayMs',
  'runAt',
  'startBy',
  'startWithinMs',
  'key',
  'every',
  'cron',
  'timeZone',
  ...DUPLICATE_OPTIONS,
];

/** Queues one new document, or many with a bulk insert. See `TaskStatics.push`. */
export async function pushNew(
  model: AnyModel,
  input: unknown,
  options: PushOptions = {},
): Promise<AnyDocument | AnyDocument[]> {
  checkOptions(options);
  definitionOf(model);
  if (!Array.isArray(input)) return pushTask(toDocument(model, input), options);

  if (options.key !== undefined && input.length > 1) {
    throw new InvalidOptionError(
      `Expected one task for \`key\`, got ${input.length}: a key names one live task. Push them one by one, each with a key of its own.`,
    );
  }
  const documents = input.map((one) => toDocument(model, one));
  if (documents.length > 1 && documents.every(({ isNew }) => isNew)) {
    documents.forEach(checkPriority);
    return whilePushing(documents, (context) => pushMany(model, documents, options, context));
  }

  const pushed = [];
  for (const document of documents) pushed.push(await pushTask(document, options));
  return pushed;
}

/** Queues a document. See `TaskMethods.push`. */
export async function pushTask(document: AnyDocument, options: PushOptions = {}): Promise<AnyDocument> {
  checkOptions(options);
  checkPriority(document);
  checkWindow(modelOf(document), options);

  return whilePushing([document], (context) => pushOne(document, options, context));
}

async function pushOne(document: AnyDocument, options: PushOptions, context?: TraceContext): Promise<AnyDocument> {
  const model = modelOf(document);
  const session = sessionOf(model, options);
  const now = await serverNow(model);
  requireSettings(model);
  const task = bookkeeping(now, options, context);
  await prepareStartBy(model, task, session);
  keepForUndo(session, document);
  const isMoved = options.delayMs !== undefined || options.runAt !== undefined;
  const write = (as: Bookkeeping) =>
    document.isNew ? insert(model, [document], as, session) : requeue(document, as, isMoved, session);
  const { key, onDuplicate: mode = 'keep' } = options;
  const pushed: Pushed =
    key === undefined
      ? { task: await write(task), outcome: 'queued' }
      : await pushUnderKey({ document, key, mode, task, debounce: debounceOf(options, now), session, now, write });
  const { task: live, outcome } = pushed;

  trace('pushed', live);
  handleOf(live).pushOutcome = outcome;
  const { dueAt = task.dueAt! } = outcome === 'kept' ? task : handleOf(live).stored;
  whenCommitted(session, () => announceAt(model, dueAt, now));
  watchStartBy(model, task, now, session);
  return live;
}

async function pushMany(
  model: AnyModel,
  documents: AnyDocument[],
  options: PushOptions,
  context?: TraceContext,
): Promise<AnyDocument[]> {
  const session = sessionOf(model, options);
  const now = await serverNow(model);
  requireSettings(model);
  const task = bookkeeping(now, options, context);
  await prepareStartBy(model, task, session);
  for (const document of documents) keepForUndo(session, document);
  await insert(model, documents, task, session);

  for (const document of documents) {
    trace('pushed', document);
    handleOf(document).pushOutcome = 'queued';
  }
  whenCommitted(session, () => announceAt(model, task.dueAt!, now));
  watchStartBy(model, task, now, session);
  return documents;
}

async function insert(
  model: AnyModel,
  documents: AnyDocument[],
  task: Bookkeeping,
  session: ClientSession | null,
): Promise<AnyDocument> {
  await insertTasks(model, documents, task, session).catch(explainPush(model));

  return documents[0]!;
}

function bookkeeping(now: Date, options: PushOptions, context?: TraceContext): Bookkeeping {
  const { delayMs = 0, runAt, key, onDuplicate, throttleMs, every, cron, timeZone } = options;
  // A time in the past means "as soon as possible", not "before tasks that have waited longer".
  const due = new Date(Math.max(now.getTime(), runAt ? runAt.getTime() : now.getTime() + delayMs));
  const schedule = resolveSchedule({ every, cron, timeZone });
  const first = schedule ? firstRun(schedule, due) : due;

  // A recurring task does not expire.
  return {
    availableAt: first,
    dueAt: first,
    ...(schedule ? { schedule } : { expiresFrom: first }),
    ...(key !== undefined && { key }),
    ...startByOf(due, options),
    ...(throttleMs !== undefined && { throttledUntil: new Date(now.getTime() + throttleMs) }),
    ...(onDuplicate === 'debounce' && { firstPushAt: now }),
    ...(context && { trace: context }),
  };
}

function checkOptions(options: PushOptions): void {
  refuseUnknown(options, KNOWN, 'push()');
  const { delayMs, runAt, key } = options;
  if (delayMs !== undefined && runAt !== undefined)
    throw new InvalidOptionError('Expected `delayMs` or `runAt`, got both. Write one of them.');
  if (delayMs !== undefined) requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`delayMs: 60_000`');
  if (runAt !== undefined) requireDate('runAt', runAt, "`runAt: new Date('2030-01-01T00:00:00Z')`");
  checkStartBy(options);
  if (key !== undefined) requireText('key', key, "`key: 'invoice-42'`");
  checkOnDuplicate(options);
  if (resolveSchedule(options) && key === undefined) {
    throw new InvalidOptionError(
      "Expected a `key` for a recurring task, got none: without it every start of the program would add another. Write for example `{ cron: '0 3 * * *', key: 'nightly' }`.",
    );
  }
}
