import type { ClientSession } from 'mongoose';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { requireSettings } from '../definition/settings';
import { sessionOf, whenCommitted } from '../definition/transaction';
import { InvalidOptionError } from '../errors';
import { announceAt } from '../notify/due';
import { type TraceContext, whilePushing } from '../observe';
import { serverNow } from '../server/clock';
import { keepForUndo } from '../settle/snapshot';
import { type Bookkeeping, handleOf } from '../task/handle';
import { trace } from '../task/trace';
import { checkPriority, explainPush, toDocument } from './input';
import { insertTasks } from './insert';
import { type Pushed, pushUnderKey } from './key';
import { checkWindow, debounceOf } from './on-duplicate';
import { bookkeeping, checkOptions, type PushOptions } from './options';
import { requeue } from './requeue';
import { isFitting, requeueBatch } from './requeue-batch';
import { isSource, type PushedCount, pushSource } from './source';
import { prepareStartBy, watchStartBy } from './start-by';

/** At most this many documents are saved at once. */
const AT_ONCE = 100;

/** Queues one new document, many with a bulk insert, or those of an async iterable in parts. See `TaskStatics.push`. */
export async function pushNew(
  model: AnyModel,
  input: unknown,
  options: PushOptions = {},
): Promise<AnyDocument | AnyDocument[] | PushedCount> {
  checkOptions(options);
  definitionOf(model);
  const count = isSource(input) ? 'an async iterable' : Array.isArray(input) ? input.length : 1;
  if (options.key !== undefined && count !== 0 && count !== 1) {
    throw new InvalidOptionError(
      `Expected one task for \`key\`, got ${count}: a key names one live task. Push them one by one, each with a key of its own.`,
    );
  }
  if (isSource(input)) return pushSource(input, (part) => pushNew(model, part, options));
  if (!Array.isArray(input)) return pushTask(toDocument(model, input), options);

  // A hole of the list is no input either.
  const documents = Array.from(input, (one) => toDocument(model, one));
  if (documents.length === 1) return [await pushTask(documents[0]!, options)];

  await pushAll(model, documents, options);
  return documents;
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

async function pushAll(model: AnyModel, documents: readonly AnyDocument[], options: PushOptions): Promise<void> {
  documents.forEach(checkPriority);
  const left = new Set(documents.filter((document) => !document.isNew && !isFitting(document)));
  const together = documents.filter((document) => !left.has(document));
  if (together.length > 0) {
    const refused = await whilePushing(together, (context) => pushTogether(model, together, options, context));
    for (const document of refused) left.add(document);
  }
  await pushEach(
    documents.filter((document) => left.has(document)),
    options,
  );
}

/** Resolves to those that were not queued. */
async function pushTogether(
  model: AnyModel,
  documents: readonly AnyDocument[],
  options: PushOptions,
  context?: TraceContext,
): Promise<AnyDocument[]> {
  const session = sessionOf(model, options);
  const now = await serverNow(model);
  requireSettings(model);
  const task = bookkeeping(now, options, context);
  await prepareStartBy(model, task, session);
  for (const document of documents) keepForUndo(session, document);

  const created = documents.filter(({ isNew }) => isNew);
  const stored = documents.filter(({ isNew }) => !isNew);
  if (created.length > 0) await insert(model, created, task, session);
  const left = new Set(stored.length > 0 ? await requeueBatch(model, stored, task, session) : []);
  for (const document of documents) {
    if (left.has(document)) continue;
    trace('pushed', document);
    handleOf(document).pushOutcome = 'queued';
  }
  whenCommitted(session, () => announceAt(model, task.dueAt!, now));
  watchStartBy(model, task, now, session);
  return [...left];
}

/** Pushes documents one by one: modified ones have to be saved, and those in the queue say why they cannot be pushed. */
async function pushEach(documents: readonly AnyDocument[], options: PushOptions): Promise<void> {
  const [first] = documents;
  // A session takes one operation at a time.
  const atOnce = first && sessionOf(modelOf(first), options) ? 1 : AT_ONCE;
  for (let start = 0; start < documents.length; start += atOnce) {
    const pushes = documents.slice(start, start + atOnce).map((document) => pushTask(document, options));
    const refused = (await Promise.allSettled(pushes)).find(({ status }) => status === 'rejected');
    if (refused) throw (refused as PromiseRejectedResult).reason;
  }
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
