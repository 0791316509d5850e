// Moves what waits in Agenda 6 (its MongoDB backend) to tasks. It reads Agenda's collection and needs nothing of Agenda. Run it as often as you
// like, also while the old workers run: each job is taken from them first, by one write, and becomes one task, with the job's `_id`.
// Copy it, replace the models and TARGETS, and run: MONGODB_URI=… npx tsx agenda.ts [failed] [running]
import mongoose, { model, type mongo, Schema, type Types } from 'mongoose';
import { type PushOptions, taskQueue } from 'mongoose-task-queue';

/** A job as Agenda stores it, as far as it is read here. The last two fields are those that this program writes. */
export interface AgendaJob {
  _id: Types.ObjectId;
  name: string;
  data: Record<string, unknown>;
  priority: number;
  nextRunAt: Date | null;
  lockedAt: Date | null;
  failedAt: Date | null;
  lastFinishedAt: Date | null;
  disabled: boolean | null;
  repeatInterval: string | number | null;
  repeatTimezone: string | null;
  repeatAt: string | null;
  startDate: Date | null;
  endDate: Date | null;
  skipDays: number[] | null;
  movingAt?: Date;
  movedAt?: Date;
}

/** What becomes of the jobs of a name: pushes the task, with the options it is given. */
export type Targets = Record<string, (job: AgendaJob, options: PushOptions) => Promise<unknown>>;

/** Jobs that failed for good wait for nobody; those that run are taken only when no old worker is left. */
export type Also = 'failed' | 'running';

export async function moveAgendaJobs(
  jobs: mongo.Collection<AgendaJob>,
  targets: Targets,
  also: readonly string[] = [],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const open = { $or: [{ nextRunAt: { $ne: null } }, { lockedAt: { $ne: null } }, { failedAt: { $ne: null } }] };
  const found = jobs.find({ movedAt: { $exists: false }, ...open }).sort({ nextRunAt: 1, priority: -1, _id: 1 });
  for await (const job of found) {
    const outcome = await moveJob(jobs, job, targets, also);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

async function moveJob(
  jobs: mongo.Collection<AgendaJob>,
  job: AgendaJob,
  targets: Targets,
  also: readonly string[],
): Promise<string> {
  const push = targets[job.name];
  const schedule = scheduleOf(job);
  const standing = standingOf(job);
  if (standing !== 'moving' && standing !== 'waiting' && !also.includes(standing)) return `left: ${standing}`;
  if (!push) return `left: no target for '${job.name}'`;
  if (!schedule) return `left: a schedule to write by hand, of '${job.name}'`;

  if (standing !== 'moving') {
    const asRead = { _id: job._id, lockedAt: job.lockedAt, nextRunAt: job.nextRunAt, disabled: { $ne: true } };
    // Agenda runs no job that is disabled. One that a worker has locked meanwhile is not as it was read.
    const { matchedCount } = await jobs.updateOne(asRead, { $set: { disabled: true, movingAt: new Date() } });
    if (matchedCount === 0) return 'left: changed meanwhile';
  }
  try {
    await push(job, { ...schedule, key: `agenda:${job._id.toHexString()}` });
  } catch (error) {
    if (!isThere(error, job._id)) throw error;
  }
  await jobs.updateOne({ _id: job._id }, { $set: { movedAt: new Date() } });
  return 'moved';
}

function standingOf({ movingAt, disabled, lockedAt, nextRunAt, failedAt, lastFinishedAt }: AgendaJob): string {
  if (movingAt) return 'moving'; // by a run that was interrupted
  if (disabled) return 'disabled';
  if (lockedAt) return 'running';
  if (nextRunAt) return 'waiting';
  return failedAt && (!lastFinishedAt || lastFinishedAt <= failedAt) ? 'failed' : 'finished';
}

/** When the task is due, and again and again. Null for what has no equivalent: times of day in words, ends and days that are left out. */
function scheduleOf(job: AgendaJob): PushOptions | null {
  const { repeatInterval: interval, repeatTimezone, nextRunAt } = job;
  const runAt = new Date(Math.max(nextRunAt?.getTime() ?? 0, job.startDate?.getTime() ?? 0));
  if (job.repeatAt || job.endDate || job.skipDays?.length) return null;
  if (interval === null) return { runAt };
  if (Number(interval) > 0) return { runAt, every: Number(interval) };

  const [, count, unit] = /^(\d+) (second|minute|hour|day|week)s?$/.exec(String(interval)) ?? [];
  if (unit) return { runAt, every: Number(count) * MS[unit as keyof typeof MS] };
  if (!/^([\d*/,-]+ ){2,3}(\S+ ){2}\S+$/.test(String(interval))) return null;
  // A pattern runs first at its next time after `runAt`, and that of the job is to be one of them.
  const timeZone = repeatTimezone ?? localZone();
  return { runAt: new Date(runAt.getTime() - 1), cron: String(interval), timeZone };
}

/** In Agenda a pattern without a time zone is in that of its process: run this program with the same `TZ`. */
const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

const MS = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 };

/** Agenda's 0 is what a task has that names no priority. In both the higher one goes first. */
export const priorityOf = ({ priority }: AgendaJob) => Math.max(-100, Math.min(100, Math.round(priority) + 2));

// The task was pushed before, and may even have ended since: its key is free then, its `_id` is not.
function isThere(error: unknown, id: Types.ObjectId): boolean {
  const { code, keyValue } = error as { code?: unknown; keyValue?: { _id?: unknown } };
  return code === 11_000 && String(keyValue?._id) === String(id);
}

async function main() {
  const Email = model('Email', taskQueue(new Schema({ to: String })));
  const CleanUp = model('CleanUp', taskQueue(new Schema({ what: String })));
  const TARGETS: Targets = {
    email: (job, options) =>
      Email.push({ _id: job._id, to: String(job.data['to']), priority: priorityOf(job) }, options),
    'clean up': (job, options) => CleanUp.push({ _id: job._id, what: String(job.data['what']) }, options),
  };

  await mongoose.connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/agenda');
  console.log(
    await moveAgendaJobs(mongoose.connection.db!.collection<AgendaJob>('agendaJobs'), TARGETS, process.argv.slice(2)),
  );
  await mongoose.disconnect();
}

// As an ES module it has no `require`, and nobody imports it.
if (typeof require === 'undefined' || require.main === module) void main();
