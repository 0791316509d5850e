import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mongoose';
import { LeaseLostError, TaskQueueError, UnrecoverableError } from 'mongoose-task-queue';
import type { Outcome } from './events';
import type { Note } from './history';
import { idOf, type Task, type Tasks } from './tasks';

/** One part of a consumer: what claims tasks in its own way, by a connection of its own. */
export interface Part {
  readonly connection: Connection;
  readonly tasks: Tasks;
  readonly note: Note;
  /** Aborted when the process is asked to end. */
  readonly ending: AbortSignal;
  readonly hasTransactions: boolean;
  readonly leaseMs: number;
}

const RETRY_MS = 1_500;
/** A handler that takes long: longer than most leases. */
const LONG_MS = 4_000;
/** So often one task takes that long. Who pops by hand renews no lease here, and two of them could hand it to each other for ever. */
const LONG_ATTEMPTS = 2;
/** How often a lease is looked at, to tell of its renewals. */
const LOOK_MS = 100;
/** As a program does that wants its settle to get through. */
const SETTLES = 5;

/** What a task's handler makes of it, by what the task says and how often it was tried. */
export function outcomeOf(task: Task): Outcome {
  if (task.fate === 'fail') return 'failed';
  if ((task.fate === 'retry' || task.fate === 'throw') && task.attempts === 1) return 'retried';
  if (task.fate === 'release' && task.lease?.fence === 1) return 'released';

  return 'finished';
}

export function noteClaim({ note, leaseMs }: Part, task: Task): void {
  const { fence, until } = task.lease!;
  note({ name: 'claimed', task: idOf(task), fence, claimedAt: until.getTime() - leaseMs, until: until.getTime() });
}

/** Tells of renewals until the returned function is called, or the lease is gone. */
export function followLease(note: Note, task: Task, signal?: AbortSignal): () => void {
  const id = idOf(task);
  let known = task.lease!.until.getTime();
  const timer = setInterval(() => {
    if (!task.lease || signal?.aborted) return clearInterval(timer);
    const until = task.lease.until.getTime();
    if (until > known) note({ name: 'renewed', task: id, fence: task.lease.fence, until });
    known = until;
  }, LOOK_MS);

  return () => clearInterval(timer);
}

/** The work: as long as the task says. */
export async function work(task: Task, signal: AbortSignal | undefined): Promise<void> {
  const isLong = task.fate === 'long' && task.attempts <= LONG_ATTEMPTS;
  const ms = isLong ? LONG_MS : (task.ms ?? 0);
  await sleep(ms, undefined, signal && { signal });
}

export function noteSettling(note: Note, task: Task, outcome: Outcome): void {
  const delayMs = outcome === 'retried' && task.fate === 'retry' ? RETRY_MS : 0;
  note({ name: 'settling', task: idOf(task), fence: task.lease!.fence, outcome, delayMs });
}

/** For a worker: what settles the task itself is done, the rest is left to the worker. */
export async function handle(part: Part, task: Task, signal: AbortSignal): Promise<void> {
  const { note } = part;
  noteClaim(part, task);
  const { fence } = task.lease!;
  const stopFollowing = followLease(note, task, signal);
  try {
    await work(task, signal);
  } finally {
    stopFollowing();
  }
  const outcome = outcomeOf(task);
  noteSettling(note, task, outcome);
  if (outcome === 'failed') throw new UnrecoverableError('as it is meant to');
  if (outcome === 'retried' && task.fate === 'throw') throw new Error('again');
  if (outcome === 'finished') return change(task);

  await settle(task, outcome);
  note({ name: 'settled', task: idOf(task), fence, outcome });
}

/** For who pops by hand: works and settles. */
export async function workAndSettle(part: Part, task: Task): Promise<void> {
  const { note } = part;
  const { fence } = task.lease!;
  const stopFollowing = followLease(note, task);
  await work(task, undefined);
  stopFollowing();
  const outcome = outcomeOf(task);
  noteSettling(note, task, outcome);
  if (outcome === 'finished') change(task);
  const isTransaction = task.fate === 'transaction' && outcome === 'finished' && part.hasTransactions;
  const settled = await persist(() => (isTransaction ? finishWithEffect(part, task) : settle(task, outcome)), part);
  if (settled) note({ name: 'settled', task: idOf(task), fence, outcome: settled === 'lost' ? 'lost' : outcome });
}

async function persist(attempt: () => Promise<unknown>, { note }: Part): Promise<'done' | 'lost' | null> {
  for (let tries = 0; tries < SETTLES; tries++) {
    try {
      await attempt();
      return 'done';
    } catch (error) {
      if (error instanceof LeaseLostError || error instanceof TaskQueueError) return 'lost';
      note({ name: 'complained', text: String(error) });
    }
    await sleep(200);
  }

  return null;
}

function change(task: Task): void {
  if (task.isChanged) task.doneBy = task.lease!.fence;
}

function settle(task: Task, outcome: Outcome): Promise<unknown> {
  if (outcome === 'finished') return task.finish();
  if (outcome === 'failed') return task.fail('as it is meant to');
  if (outcome === 'released') return task.release();

  return task.retry(task.fate === 'retry' ? { delayMs: RETRY_MS } : {});
}

function finishWithEffect({ connection, tasks: { Effect } }: Part, task: Task): Promise<unknown> {
  const { fence } = task.lease!;

  return connection.transaction(async (session) => {
    await Effect.create([{ task: task._id, fence }], { session });
    await task.finish({ session });
  });
}
