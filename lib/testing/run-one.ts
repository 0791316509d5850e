import { AssertionError } from 'node:assert';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { withIndexes } from '../indexes/prepare';
import type { DocumentLike } from '../model/input';
import { handOut } from '../pop/hand-out';
import { openQuery } from '../pop/open-query';
import { claimNext } from '../pop/pop-batch';
import { noteInHand } from '../settle/tasks-in-hand';
import { lease } from '../task/handle';
import { tellModel } from '../task/tell-failed';
import { keyOf, shownId } from '../values/id';
import { type BlockedBy, blockedBy } from '../waiting/blocked-by';
import { conclude } from '../worker/conclude';
import { HeldTask } from '../worker/held-task';
import { resolveWorkerOptions, type TaskHandler, type WorkerOptions } from '../worker/options';
import type { Outcome } from '../worker/outcome';
import { perform } from '../worker/perform';

/** What became of a task that was run. */
export interface Ran<Doc> {
  /** The task, as its handler had it. */
  task: Doc;
  /** What was done with it. */
  outcome: Outcome['name'];
  /** Why its attempt failed, or why it was not its handler's any more. */
  error?: unknown;
}

/**
 * Pops this very task, whatever waits before it, and runs it as a `Worker` does: a handler that returns finishes it, one that throws is a
 * failed attempt.
 *
 * @param handler Default: the task's own method `run(context)`.
 * @throws {InvalidOptionError} for a handler that is no function, or a task without `run()`.
 * @throws {AssertionError} when the task cannot be popped now, with the reason.
 */
export async function runOne<Doc extends DocumentLike>(task: Doc, handler?: TaskHandler<Doc>): Promise<Ran<Doc>> {
  const options = resolveWorkerOptions(modelOf(task as unknown as AnyDocument) as never, { handler } as WorkerOptions);
  const popped = await popThis(task as unknown as AnyDocument);
  const held = new HeldTask(popped, lease(popped)!.token);
  held.begin();
  const thrown = await perform(held, options);
  let wrong: unknown;
  const {
    name: outcome,
    error,
    hookError,
  } = await conclude(held, thrown, new AbortController().signal, (one) => {
    wrong = one;
  });
  held.end();
  if (hookError) throw hookError.error;

  return { task: popped as unknown as Doc, outcome, ...((error ?? wrong) !== undefined && { error: error ?? wrong }) };
}

async function popThis(task: AnyDocument): Promise<AnyDocument> {
  const model = modelOf(task);
  const definition = definitionOf(model);
  const raw = await withIndexes(model, async () => {
    const query = await openQuery(definition, undefined);
    const filter = { ...query?.filter, _id: task._id };
    return query && claimNext(definition, { ...query, name: `${query.name} ${keyOf(task._id)}`, filter });
  });
  const [popped] = raw ? await handOut(definition, [raw], {}, tellModel(model)) : [];
  if (!popped) throw await notReady(model, task);
  noteInHand(popped);

  return popped;
}

async function notReady(model: AnyModel, task: AnyDocument): Promise<AssertionError> {
  const { fields } = definitionOf(model).options;
  const stored = await model.findById(task._id);
  const name = `${model.modelName} ${shownId(task._id)}`;
  const reason = stored ? await reasonOf(stored as AnyDocument, String(stored.get(fields.state))) : 'it is not stored';

  return new AssertionError({ message: `Expected ${name} to be ready for \`runOne()\`, but ${reason}.` });
}

async function reasonOf(task: AnyDocument, state: string): Promise<string> {
  if (state !== 'CREATED') return `it is ${state}`;
  const [by] = await blockedBy(task);

  return by ? sentence(by) : 'it is not due yet: `advance()` lets time pass';
}

function sentence({ type, path, reason, documents: [first] }: BlockedBy): string {
  if (type === 'paused') return `its queue is paused${reason === undefined ? '' : `: ${reason}`}`;
  if (type === 'behind') return 'it waits until the running task of its key has ended';

  return `its \`${path}\` waits for ${first ? `${first.model} ${shownId(first.id)}, which is ${first.standing}` : 'a document'}`;
}
