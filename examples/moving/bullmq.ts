// Moves what waits in a queue of BullMQ 6 to tasks. It asks BullMQ itself, for that is where the layout of its keys is kept: npm install bullmq ioredis
// The queue is paused first, in all processes, and stays so. Run it as often as you like: each job becomes one task, and is then removed there.
// Copy it, replace the models and TARGETS, and run: REDIS_URL=… MONGODB_URI=… npx tsx bullmq.ts email [failed] [active]
import { createHash } from 'node:crypto';
import { connect, disconnect, model, Schema, Types } from 'mongoose';
import { type PushOptions, taskQueue } from 'mongoose-task-queue';

/** What is used of a job of BullMQ. */
export interface OldJob {
  id?: string;
  name: string;
  data: Record<string, unknown>;
  timestamp: number;
  delay: number;
  priority: number;
  processedOn?: number;
  repeatJobKey?: string;
  parentKey?: string;
  remove(): Promise<void>;
}

/** What is used of a job scheduler. */
export interface OldScheduler {
  key: string;
  name: string;
  every?: number;
  pattern?: string;
  tz?: string;
  next?: number;
  limit?: number;
  endDate?: number;
  template?: { data?: Record<string, unknown>; opts?: { priority?: number } };
}

/** What is used of a `Queue` of BullMQ. */
export interface OldQueue {
  name: string;
  pause(): Promise<void>;
  getJobs(states: string[], start: number, end: number, isAscending: boolean): Promise<OldJob[]>;
  getJobSchedulers(): Promise<OldScheduler[]>;
  removeJobScheduler(key: string): Promise<unknown>;
}

/** What becomes of the jobs of a name: pushes the task, with the `_id`, the data and the options it is given. */
export type Targets = Record<string, (job: Moving, options: PushOptions) => Promise<unknown>>;

export interface Moving {
  _id: Types.ObjectId;
  data: Record<string, unknown>;
  priority: number;
}

/** `also` names further states, `failed` or `active`: the latter only when no old worker is left. BullMQ removes no job that one holds. */
export async function moveJobs(
  queue: OldQueue,
  targets: Targets,
  also: readonly string[] = [],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (outcome: string) => (counts[outcome] = (counts[outcome] ?? 0) + 1);
  await queue.pause();

  const schedulers = await queue.getJobSchedulers();
  for (const scheduler of schedulers) count(await moveScheduler(queue, scheduler, targets));
  for (const state of ['waiting', 'prioritized', 'delayed', 'active', 'failed', 'waiting-children']) {
    const isLeft = ['active', 'failed', 'waiting-children'].includes(state) && !also.includes(state);
    for (const job of await queue.getJobs([state], 0, -1, true))
      count(isLeft ? `left: ${state}` : await moveJob(queue, job, targets));
  }
  return counts;
}

async function moveJob(queue: OldQueue, job: OldJob, targets: Targets): Promise<string> {
  const push = targets[job.name];
  if (job.repeatJobKey) return `left: of the scheduler '${job.repeatJobKey}'`;
  if (job.parentKey) return 'left: of a flow';
  if (!push) return `left: no target for '${job.name}'`;

  const { data, timestamp, delay, processedOn } = job;
  const _id = idOf(queue.name, String(job.id), timestamp);
  // The delay of a retry counts from the run before it.
  const runAt = new Date((processedOn ?? timestamp) + delay);
  await pushOnce(_id, () =>
    push({ _id, data, priority: priorityOf(job) }, { runAt, key: `bullmq:${queue.name}:${job.id}` }),
  );
  await job.remove();
  return 'moved';
}

async function moveScheduler(queue: OldQueue, scheduler: OldScheduler, targets: Targets): Promise<string> {
  const { key, name, every, pattern, tz, next = 0, limit, endDate, template } = scheduler;
  const push = targets[name];
  if (!push) return `left: no target for '${name}'`;
  if (limit || endDate || (!every && !pattern)) return `left: a schedule to write by hand, of '${name}'`;

  const _id = idOf(queue.name, 'scheduler', key);
  // A pattern runs first at its next time after `runAt`, and that of the scheduler is to be one of them.
  const schedule = every
    ? { every, runAt: new Date(next) }
    : { cron: pattern!, runAt: new Date(next - 1), timeZone: tz ?? localZone() };
  const priority = priorityOf({ priority: template?.opts?.priority ?? 0 });
  const task = { _id, data: template?.data ?? {}, priority };
  await pushOnce(_id, () => push(task, { ...schedule, key: `bullmq:${queue.name}:${key}` }));
  await queue.removeJobScheduler(key);
  // It leaves its next run there once that is due, which is the first of the task.
  const waiting = await queue.getJobs(['waiting', 'prioritized', 'delayed'], 0, -1, true);
  for (const job of waiting) if (job.repeatJobKey === key) await job.remove();
  return 'moved: schedulers';
}

/** The same of a job in every run of this program, so that it cannot be inserted twice, however the first task ended. */
function idOf(...parts: (string | number)[]): Types.ObjectId {
  return new Types.ObjectId(createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24));
}

async function pushOnce(id: Types.ObjectId, push: () => Promise<unknown>): Promise<void> {
  try {
    await push();
  } catch (error) {
    const { code, keyValue } = error as { code?: unknown; keyValue?: { _id?: unknown } };
    if (code !== 11_000 || String(keyValue?._id) !== String(id)) throw error;
  }
}

/** In BullMQ a pattern without a time zone is in that of its process: run this program with the same `TZ`. */
const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** There 0 goes first, then 1, then 2. Here the higher one does, and a task that names none has 2. */
export const priorityOf = ({ priority }: { priority: number }) => Math.max(-100, 2 - priority);

async function main() {
  const [name = 'email', ...also] = process.argv.slice(2);
  const Email = model('Email', taskQueue(new Schema({ to: String })));
  const CleanUp = model('CleanUp', taskQueue(new Schema({ what: String })));
  const TARGETS: Targets = {
    send: ({ data, ...task }, options) => Email.push({ ...task, to: String(data['to']) }, options),
    'clean up': ({ data, ...task }, options) => CleanUp.push({ ...task, what: String(data['what']) }, options),
  };

  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/bullmq');
  const bullmq: string = 'bullmq'; // not needed to compile this
  const { Queue } = (await import(bullmq)) as {
    Queue: new (name: string, options: object) => OldQueue & { close(): Promise<void> };
  };
  const queue = new Queue(name, { connection: { url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379' } });
  console.log(await moveJobs(queue, TARGETS, also));
  await queue.close();
  await disconnect();
}

// As an ES module it has no `require`, and nobody imports it.
if (typeof require === 'undefined' || require.main === module) void main();
