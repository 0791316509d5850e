import { followEnds, isKeyed } from '../claim/behind';
import { candidates } from '../claim/candidates';
import type { ReadyQuery } from '../claim/ready';
import { mend, mendNext } from '../claim/repair';
import { skip } from '../claim/skipped';
import type { Definition, RawDocument } from '../definition/definition';
import { dependencyPaths, kindKey, readReferences, referencesOfRaw } from '../dependencies/references';
import { judge, READY, type Verdict } from '../dependencies/verdict';
import { serverNow } from '../server/clock';
import { only, read } from '../server/read';
import { type Bookkeeping, isBookkeeping } from '../task/bookkeeping';
import { isOpen, isOverdue } from '../task/cancellation';
import { isWritable } from '../values/writable';
import { withCauses } from './cause';
import { doom, type Doomed, keepDoomed, park, type Waiting } from './park';

/** A task as it was read, and whether it may run. */
export interface Judgement {
  readonly task: RawDocument;
  readonly verdict: Verdict;
  /** How many documents it refers to. */
  readonly references: number;
}

/** About this many references are read at once: a task may refer to thousands of documents. */
const MAX_REFERENCES = 5_000;

/** How often a look mends what it meets before it leaves out what cannot be mended. */
const TRIES = 3;

/** Reads the first tasks in claim order and judges them by what they refer to. */
export async function judgeNext(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  tries = TRIES,
): Promise<Judgement[]> {
  const found = await candidates(definition, query, limit, only(judgedFields(definition)));
  const odd = found.filter(({ _task: task }) => !isBookkeeping(task));
  if (odd.length === 0) return judgeTasks(definition, found);
  if (tries === 0)
    return judgeTasks(
      definition,
      found.filter((task) => !odd.includes(task)),
    );

  // Tasks whose `_task` is no object could not be parked: they are mended or skipped.
  for (const { _id } of odd)
    if (!(await mend(definition, _id)) && !(await mendNext(definition, query))) skip(definition.model, _id);
  return judgeNext(definition, query, limit, tries - 1);
}

/** Reads tasks by their ids and judges them. */
export async function judgeAgain(definition: Definition, ids: readonly unknown[]): Promise<Judgement[]> {
  const { model } = definition;
  const found = { filter: { _id: { $in: ids } }, projection: only(judgedFields(definition)), limit: ids.length };

  return judgeTasks(definition, await read(model, found));
}

function judgedFields({ model, options }: Definition): string[] {
  return [options.fields.state, '_task', ...dependencyPaths(model), kindKey(model) ?? '_id'];
}

/** Judges tasks by what they refer to. A task that only has to be ended waits for nothing: its claim ends it. */
export async function judgeTasks(definition: Definition, tasks: readonly RawDocument[]): Promise<Judgement[]> {
  const isOver = await overAmong(definition, tasks);
  const judgements: Judgement[] = tasks.filter(isOver).map((task) => ({ task, verdict: READY, references: 0 }));
  const open = judgements.length === 0 ? tasks : tasks.filter((task) => !isOver(task));
  for (const batch of inBatches(definition, open)) {
    const judged = await readReferences(batch.map(({ references }) => references));
    batch.forEach(({ task, references }, index) =>
      judgements.push({ task, verdict: judge(judged[index]!), references: countOf(references) }),
    );
  }

  return judgements;
}

/** Tells which tasks are to be cancelled, or were not started in time. */
async function overAmong(
  { model }: Definition,
  tasks: readonly RawDocument[],
): Promise<(task: RawDocument) => boolean> {
  const fieldsOf = ({ _task: task }: RawDocument) => (task ?? {}) as Bookkeeping;
  const isUsual = tasks.every((task) => fieldsOf(task).cancel === undefined && fieldsOf(task).startBy === undefined);
  if (isUsual) return () => false;
  const now = await serverNow(model);

  return (task) => isOpen(fieldsOf(task)) || isOverdue(fieldsOf(task), now);
}

/** Parks the tasks that must wait, and fails the doomed ones. `near`: when tasks that were parked before are re-checked. */
export async function setAside(
  definition: Definition,
  judgements: readonly Judgement[],
  near: Date | null = null,
): Promise<void> {
  const waiting: Waiting[] = [];
  const doomed: Omit<Doomed, 'failure'>[] = [];
  for (const { task, verdict } of judgements) {
    if (verdict.kind === 'waits') waiting.push({ task, on: verdict.on, target: verdict.target });
    if (verdict.kind === 'doomed') doomed.push({ task, by: verdict.by, target: verdict.target });
  }
  await park(definition, waiting, near);
  if (doomed.length > 0) await doom(definition, await withCauses(doomed));
  const keyed = doomed.filter(({ task }) => isKeyed(task)).map(({ task }) => task._id as unknown);
  if (keyed.length > 0) await followEnds(definition, { _id: { $in: keyed.filter(isWritable) } });
}

/** Keeps watching for the revival of tasks that were failed by a dependency and are still doomed. */
export async function keepFailed(definition: Definition, judgements: readonly Judgement[], near: Date): Promise<void> {
  const doomed = judgements.flatMap(({ task, verdict }) => (verdict.kind === 'doomed' ? [{ task, ...verdict }] : []));
  await keepDoomed(definition, doomed, near);
}

function* inBatches(definition: Definition, tasks: readonly RawDocument[]) {
  let batch: { task: RawDocument; references: ReturnType<typeof referencesOfRaw> }[] = [];
  let count = 0;
  for (const task of tasks) {
    const references = referencesOfRaw(definition.model, task);
    batch.push({ task, references });
    count += countOf(references);
    if (count < MAX_REFERENCES) continue;
    yield batch;
    batch = [];
    count = 0;
  }
  if (batch.length > 0) yield batch;
}

function countOf(references: ReturnType<typeof referencesOfRaw>): number {
  return references.reduce((sum, { given }) => sum + given.length, 0);
}
