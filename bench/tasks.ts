import { Schema, Types, type Connection, type mongo } from 'mongoose';
import { taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';

/** No lease may end while it is measured, or its task would be claimed twice. */
const LEASE_MS = 3_600_000;
const INSERT = 10_000;

export const payload = { to: 'ada@example.org', subject: 'The analytical engine', size: 1_842 };
export const payloadPaths = { to: String, subject: String, size: Number };

export type Task = ReturnType<typeof taskModel>;
export type HydratedTask = InstanceType<Task>;
export type Stored = mongo.Document;

export function taskModel(connection: Connection, name = 'Task', options: Pick<TaskQueueOptions, 'backoff'> = {}) {
  return connection.model(name, taskQueue(new Schema(payloadPaths), { leaseMs: LEASE_MS, ...options }));
}

/** Tasks, and tasks that each wait for one of them. */
export function familyModels(connection: Connection) {
  const parent = { type: Schema.Types.ObjectId, ref: 'Parent', dependsOn: 'DIRECT' as const };

  return {
    Parent: connection.model('Parent', taskQueue(new Schema({ number: Number }), { leaseMs: LEASE_MS })),
    Child: connection.model('Child', taskQueue(new Schema({ number: Number, parent }), { leaseMs: LEASE_MS })),
  };
}

/** So many of each. */
export async function pushFamilies({ Parent, Child }: ReturnType<typeof familyModels>, count: number) {
  await Promise.all([recreate(Parent), recreate(Child)]);
  const parents = await Parent.push(Array.from({ length: count }, (_, number) => ({ number })));
  await Child.push(parents.map(({ _id }, number) => ({ number, parent: _id })));

  return parents;
}

/** Any model with the plugin, as far as a measure empties and fills it. */
export interface Queue {
  readonly collection: unknown;
  ensureTaskIndexes(): Promise<void>;
}

export function nativeOf({ collection }: Queue): mongo.Collection {
  return collection as mongo.Collection;
}

/** Empties the queue the cheap way: removed index keys would be walked over by the first claims. */
export async function recreate(model: Queue): Promise<void> {
  await nativeOf(model).drop();
  await model.ensureTaskIndexes();
}

/** How a task that is ready, delayed or finished is stored: by storing one, so that it is always the real thing. */
export async function layouts(model: Task): Promise<Record<'ready' | 'delayed' | 'finished', Stored>> {
  await recreate(model);
  const { id } = await model.push(payload);
  const ready = await stored(model, id);
  const task = await model.pop();
  await task!.finish();
  const finished = await stored(model, id);
  const later = await model.push(payload, { delayMs: 86_400_000 });
  const delayed = await stored(model, later.id);

  return { ready, delayed, finished };
}

/** Inserts copies, each with an id of its own and what `change` says. */
export async function insertCopies(
  collection: mongo.Collection,
  layout: Stored,
  count: number,
  change: (index: number) => Stored = () => ({}),
): Promise<void> {
  for (let start = 0; start < count; start += INSERT) {
    const length = Math.min(INSERT, count - start);
    const copies = Array.from({ length }, (_, index) => ({
      ...layout,
      ...change(start + index),
      _id: new Types.ObjectId(),
    }));
    await collection.insertMany(copies, { ordered: false });
  }
}

async function stored(model: Task, id: string): Promise<Stored> {
  const found = await nativeOf(model).findOne({ _id: new Types.ObjectId(id) });

  return found!;
}
