import {
  type AnyDocument,
  type AnyModel,
  type Definition,
  definitionOf,
  modelOf,
  namespaceOf,
} from '../definition/definition';
import { hasDependencies, readReferences, referencesOfDocument } from '../dependencies/references';
import { knowsTargets } from '../dependencies/targets';
import { type Awaited, judge, type Judged, type Verdict } from '../dependencies/verdict';
import { State } from '../fields';
import { serverNow } from '../server/clock';
import { LANDED_MS, tryLater } from '../server/retry-later';
import { isUncertain } from '../server/transient';
import type { Bookkeeping } from '../task/handle';
import { NEVER } from '../values/check';
import { keyOf } from '../values/id';
import { arm, armDoomed } from './arm';
import { withCauses } from './cause';
import { firstRecheckMs } from './recheck-time';
import { revivedBy, waitedFor } from './waited-for';

/** A document that is about to be inserted, with its state and bookkeeping. */
export interface NewTask {
  readonly document: AnyDocument;
  readonly state: State;
  readonly task: Bookkeeping;
  readonly verdict?: Verdict;
}

/**
 * Judges documents before they are inserted, so that a task that must wait is never in front of ready ones. `task` is the bookkeeping of a
 * task that need not wait.
 */
export async function parkNew(
  model: AnyModel,
  documents: readonly AnyDocument[],
  task: Bookkeeping,
): Promise<NewTask[]> {
  const definition = definitionOf(model);
  // Without the models that its tasks wait for, a process leaves the judgement to the first pop.
  if (!hasDependencies(model) || ![...new Set(documents.map(modelOf))].every(knowsTargets))
    return documents.map((document) => ({ document, state: State.CREATED, task }));

  const now = await serverNow(model);
  const judged = withPeers(model, documents, await readReferences(documents.map(referencesOfDocument)));
  return Promise.all(documents.map((document, index) => place(definition, document, task, now, judge(judged[index]!))));
}

// Documents that are pushed together exist when the marks are set, so they count as unmet, not as missing.
function withPeers(model: AnyModel, documents: readonly AnyDocument[], judged: Judged[][]): Judged[][] {
  if (documents.length === 1) return judged;
  const peers = new Set(documents.map(({ _id }) => keyOf(_id)));
  const standing = (one: Awaited): Awaited =>
    one.standing === 'missing' && peers.has(keyOf(one.id)) ? { ...one, standing: 'unmet' } : one;

  return judged.map((clauses) =>
    clauses.map((clause) =>
      clause.target && namespaceOf(clause.target.model) === namespaceOf(model)
        ? { ...clause, references: clause.references.map(standing) }
        : clause,
    ),
  );
}

/** Marks the documents that inserted tasks wait for. It must come after the insert, as any marking comes after the parking. */
export async function armNew(model: AnyModel, tasks: readonly NewTask[]): Promise<void> {
  try {
    await setMarks(model, tasks);
  } catch (error) {
    // They are in the queue: an error would have them pushed once more. The marks are set later, and there are the re-checks.
    if (!isUncertain(error)) throw error;
  }
}

/** Marks later, for tasks that may not have been inserted: the next wake removes a mark that no task needs. */
export function armUncertain(model: AnyModel, tasks: readonly NewTask[]): void {
  tryLater(() => setMarks(model, tasks), definitionOf(model).options.recheckMs, LANDED_MS);
}

async function setMarks(model: AnyModel, tasks: readonly NewTask[]): Promise<void> {
  const waiting = tasks.flatMap(({ document, verdict }) =>
    verdict?.kind === 'waits' ? [{ task: document, ...verdict }] : [],
  );
  const doomed = tasks.flatMap(({ verdict }) => (verdict?.kind === 'doomed' ? [verdict] : []));
  if (waiting.length > 0) await arm(definitionOf(model), waiting);
  if (doomed.length > 0) await armDoomed(definitionOf(model), doomed);
}

async function place(
  definition: Definition,
  document: AnyDocument,
  task: Bookkeeping,
  now: Date,
  verdict: Verdict,
): Promise<NewTask> {
  if (verdict.kind === 'ready') return { document, state: State.CREATED, task };

  const { target } = verdict;
  const about = verdict.kind === 'waits' ? verdict.on : verdict.by;
  const recheckAt = new Date(
    Math.max(task.dueAt!.getTime(), now.getTime() + firstRecheckMs(definition, about, target)),
  );
  if (verdict.kind === 'waits')
    return {
      document,
      state: State.CREATED,
      task: { ...task, availableAt: NEVER, waitingOn: waitedFor(target, about), recheckAt },
      verdict,
    };

  const [doomed] = await withCauses([{ task: { _id: document._id }, by: about, target }]);
  const failed = { doomedBy: revivedBy(target, about), settledAt: now, errors: [{ ...doomed!.failure, at: now }] };
  const canRevive = about.some(({ standing }) => standing === 'failed');

  return { document, state: State.FAILED, task: { ...task, ...failed, ...(canRevive && { recheckAt }) }, verdict };
}
