// Moves what waits in beanie-batteries-queue (Python) to tasks, with what it waits for. It reads its collections and needs nothing of it. Run it as
// often as you like, also while the old workers run: each of their tasks is taken from them first, by one write, and becomes one task here, with the same `_id`.
// Copy it, replace the models and what `main` does, and run: MONGODB_URI=… npx tsx beanie.ts [FAILED] [RUNNING]
import mongoose, { model, type mongo, Schema, type Types } from 'mongoose';
import { type PushOptions, taskQueue } from 'mongoose-task-queue';

/** A task as beanie-batteries-queue stores it, as far as it is read here. The last three fields are those that this program writes. */
export interface BeanieTask {
  _id: Types.ObjectId;
  state: string;
  priority: number;
  created_at: Date;
  /** Those of a `ScheduledTask`: `interval` is in seconds. */
  run_at?: Date;
  interval?: number | null;
  movingAt?: Date;
  movingFrom?: string;
  movedAt?: Date;
  [field: string]: unknown;
}

/** The fields with links: how they are named, and what they wait for. */
export type Links = Record<string, 'DIRECT' | 'ALL_OF' | 'ANY_OF'>;

/** Pushes the task: `links` has the ids of what it still waits for, by the names of the fields. */
export type Push = (old: BeanieTask, links: Record<string, Types.ObjectId[]>, options: PushOptions) => Promise<unknown>;

/** One collection: those that others wait for first. `also` names states whose tasks are moved, too: `RUNNING` only when no old worker is left. */
export async function moveBeanieTasks(
  tasks: mongo.Collection<BeanieTask>,
  push: Push,
  { links = {}, also = [], db }: { links?: Links; also?: readonly string[]; db: mongo.Db },
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const found = tasks
    .find({ movedAt: { $exists: false }, state: { $ne: 'FINISHED' } })
    .sort({ priority: -1, created_at: 1, _id: 1 });
  for await (const old of found) {
    const isOpen = old.movingAt || old.state === 'CREATED' || also.includes(old.state);
    const left = isOpen ? await linksLeft(db, old, links) : null;
    const outcome = !isOpen ? `left: ${old.state}` : left ? await moveTask(tasks, old, left, push) : 'left: waits';
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

async function moveTask(
  tasks: mongo.Collection<BeanieTask>,
  old: BeanieTask,
  links: Record<string, Types.ObjectId[]>,
  push: Push,
): Promise<string> {
  const { _id, state, run_at: runAt, interval } = old;
  if (!old.movingAt) {
    // Of its four states only this one is neither popped nor lets others run.
    const { matchedCount } = await tasks.updateOne(
      { _id, state },
      { $set: { state: 'FAILED', movingAt: new Date(), movingFrom: state } },
    );
    if (matchedCount === 0) return 'left: changed meanwhile';
  }
  // The next run is another task there, from the moment that one is popped.
  const recurs = (old.movingFrom ?? state) === 'CREATED';
  const schedule = { ...(runAt && { runAt }), ...(recurs && interval && { every: interval * 1_000 }) };
  try {
    await push(old, links, { ...schedule, key: `beanie:${_id.toHexString()}` });
  } catch (error) {
    if (!isThere(error, _id)) throw error;
  }
  await tasks.updateOne({ _id }, { $set: { movedAt: new Date() } });
  return 'moved';
}

/** What a task still waits for, of tasks that were moved: null while it waits for others. */
async function linksLeft(
  db: mongo.Db,
  old: BeanieTask,
  links: Links,
): Promise<Record<string, Types.ObjectId[]> | null> {
  const left: Record<string, Types.ObjectId[]> = {};
  for (const [field, type] of Object.entries(links)) {
    const references = [old[field] ?? []].flat() as mongo.DBRef[];
    const found = await Promise.all(
      references.map(({ collection, oid }) => db.collection<BeanieTask>(collection).findOne({ _id: oid })),
    );
    // As there, one of a list that was deleted is not waited for, and a single one is for ever.
    const there = found.filter((task) => task !== null);
    if (type === 'DIRECT' && there.length < found.length) return null;
    const isReleased = type === 'ANY_OF' && there.some(({ state }) => state === 'FINISHED');
    const open = isReleased ? [] : there.filter(({ state }) => state !== 'FINISHED');
    if (open.some(({ movedAt }) => !movedAt)) return null;
    left[field] = open.map(({ _id }) => _id);
  }
  return left;
}

// The task was pushed before, and may even have ended since: its key is free then, its `_id` is not.
function isThere(error: unknown, id: Types.ObjectId): boolean {
  const { code, keyValue } = error as { code?: unknown; keyValue?: { _id?: unknown } };
  return code === 11_000 && String(keyValue?._id) === String(id);
}

async function main() {
  const Source = model('Source', taskQueue(new Schema({ name: String })), 'sources');
  const references = {
    sources: [{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'ALL_OF' }],
    any: [{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'ANY_OF' }],
    direct: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'DIRECT' },
  } as const;
  const Report = model('Report', taskQueue(new Schema({ name: String, ...references })), 'reports');
  const CleanUp = model('CleanUp', taskQueue(new Schema({ what: String })), 'cleanups');
  const LINKS: Links = { sources: 'ALL_OF', any: 'ANY_OF', direct: 'DIRECT' };

  await mongoose.connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/beanie');
  const db = mongoose.connection.db!;
  const also = process.argv.slice(2);
  // The names of its collections are those of its classes, if `Settings` does not say otherwise.
  const pushSource: Push = ({ _id, name, priority }, _, options) =>
    Source.push({ _id, name: String(name), priority }, options);
  console.log('Source', await moveBeanieTasks(db.collection('Source'), pushSource, { also, db }));
  const pushReport: Push = ({ _id, name, priority }, { sources = [], any = [], direct = [] }, options) =>
    Report.push({ _id, name: String(name), priority, sources, any, direct: direct[0] ?? null }, options);
  console.log('Report', await moveBeanieTasks(db.collection('Report'), pushReport, { links: LINKS, also, db }));
  const pushCleanUp: Push = ({ _id, what, priority }, _, options) =>
    CleanUp.push({ _id, what: String(what), priority }, options);
  console.log('CleanUp', await moveBeanieTasks(db.collection('CleanUp'), pushCleanUp, { also, db }));
  await mongoose.disconnect();
}

// As an ES module it has no `require`, and nobody imports it.
if (typeof require === 'undefined' || require.main === module) void main();
