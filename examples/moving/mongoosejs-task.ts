// Moves what waits in @mongoosejs/task to tasks. It reads its collection and needs nothing of it. Run it as often as you like, also while the
// old workers run: each of their tasks is cancelled there first, by one write, and becomes one task here, with the same `_id`.
// Copy it, replace the models and TARGETS, and run: MONGODB_URI=… npx tsx mongoosejs-task.ts [failed] [timed_out] [scheduling_timed_out] [in_progress]
import mongoose, { model, type mongo, Schema, type Types } from 'mongoose';
import { type PushOptions, taskQueue } from 'mongoose-task-queue';

/** A task as @mongoosejs/task stores it, as far as it is read here. The last three fields are those that this program writes. */
export interface OldTask {
  _id: Types.ObjectId;
  name: string;
  params?: Record<string, unknown>;
  status: string;
  scheduledAt: Date;
  nextScheduledAt?: Date | null;
  repeatAfterMS?: number | null;
  cancelledAt?: Date;
  movingAt?: Date;
  movingFrom?: string;
  movedAt?: Date;
}

/** What becomes of the tasks of a name: pushes the task, with the options it is given. */
export type Targets = Record<string, (old: OldTask, options: PushOptions) => Promise<unknown>>;

/** `also` names states whose tasks are moved, too. Name `in_progress` only when no old worker is left. */
export async function moveTasks(
  tasks: mongo.Collection<OldTask>,
  targets: Targets,
  also: readonly string[] = [],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const open = { $or: [{ status: { $nin: ['succeeded', 'cancelled'] } }, { movingAt: { $exists: true } }] };
  const found = tasks.find({ movedAt: { $exists: false }, ...open }).sort({ scheduledAt: 1, _id: 1 });
  for await (const old of found) {
    const outcome = await moveTask(tasks, old, targets, ['pending', ...also]);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

async function moveTask(
  tasks: mongo.Collection<OldTask>,
  old: OldTask,
  targets: Targets,
  states: readonly string[],
): Promise<string> {
  const { _id, name, status, movingAt } = old;
  const push = targets[name];
  if (!movingAt && !states.includes(status)) return `left: ${status}`;
  if (!push) return `left: no target for '${name}'`;
  if (old.nextScheduledAt) return `left: nextScheduledAt, to write by hand, of '${name}'`;

  if (!movingAt) {
    const now = new Date();
    const cancelled = { $set: { status: 'cancelled', cancelledAt: now, movingAt: now, movingFrom: status } };
    const { matchedCount } = await tasks.updateOne({ _id, status }, cancelled);
    if (matchedCount === 0) return 'left: changed meanwhile';
  }
  try {
    await push(old, optionsOf(old, old.movingFrom ?? status));
  } catch (error) {
    if (!isThere(error, _id)) throw error;
  }
  await tasks.updateOne({ _id }, { $set: { movedAt: new Date() } });
  return 'moved';
}

function optionsOf({ _id, scheduledAt, repeatAfterMS }: OldTask, status: string): PushOptions {
  // One that has ended, in whichever way, is done once more: its next run is another task there.
  const recurs = status === 'pending' || status === 'in_progress';
  const every = recurs && repeatAfterMS ? { every: repeatAfterMS } : {};
  return { key: `task:${_id.toHexString()}`, runAt: scheduledAt, ...every };
}

// The task was pushed before, and may even have ended since: its key is free then, its `_id` is not.
function isThere(error: unknown, id: Types.ObjectId): boolean {
  const { code, keyValue } = error as { code?: unknown; keyValue?: { _id?: unknown } };
  return code === 11_000 && String(keyValue?._id) === String(id);
}

async function main() {
  const Email = model('Email', taskQueue(new Schema({ to: String })));
  const CleanUp = model('CleanUp', taskQueue(new Schema({ what: String })));
  const TARGETS: Targets = {
    email: (old, options) => Email.push({ _id: old._id, to: String(old.params?.['to']) }, options),
    'clean up': (old, options) => CleanUp.push({ _id: old._id, what: String(old.params?.['what']) }, options),
  };

  await mongoose.connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/task');
  console.log(await moveTasks(mongoose.connection.db!.collection<OldTask>('tasks'), TARGETS, process.argv.slice(2)));
  await mongoose.disconnect();
}

// As an ES module it has no `require`, and nobody imports it.
if (typeof require === 'undefined' || require.main === module) void main();
