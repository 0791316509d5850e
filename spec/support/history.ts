import type { Model, mongo } from 'mongoose';
import { nativeOf } from './raw';

/** A task as one write left it: its fields, and its bookkeeping by paths like `_task.claims`. */
export type Standing = Readonly<Record<string, unknown>>;

/** One write to a task, as the server carried it out. */
export interface Write {
  readonly id: string;
  readonly before: Standing;
  readonly after: Standing;
}

/**
 * Everything that is written to a collection of a replica set from now on, in the order of the server. The returned function
 * reads it.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- "a model of whatever schema"
export async function recordHistory(model: Model<any, any, any, any, any, any>): Promise<() => Promise<Write[]>> {
  const { operationTime } = await model.db.db!.command({ ping: 1 });

  return async () => {
    const collection = nativeOf(model);
    const { insertedId: last } = await collection.insertOne({});
    const standings = new Map<string, Standing>();
    const writes: Write[] = [];
    const stream = collection.watch([], { startAtOperationTime: operationTime as mongo.Timestamp });
    for await (const change of stream) {
      if (change.operationType !== 'insert' && change.operationType !== 'update') continue;
      if (String(change.documentKey._id) === String(last)) break;

      const id = String(change.documentKey._id);
      const before = standings.get(id) ?? {};
      const after = change.operationType === 'insert' ? flat(change.fullDocument) : updated(before, change);
      standings.set(id, after);
      writes.push({ id, before, after });
    }
    await stream.close();

    return writes;
  };
}

function updated(before: Standing, { updateDescription }: mongo.ChangeStreamUpdateDocument): Standing {
  const after: Record<string, unknown> = { ...before, ...flat(updateDescription.updatedFields ?? {}) };
  for (const path of updateDescription.removedFields ?? []) delete after[path];

  return after;
}

function flat(document: mongo.Document): Standing {
  const { _task: task = {}, ...fields } = document;
  const bookkeeping = Object.entries(task as mongo.Document).map(([name, value]) => [`_task.${name}`, value]);

  return { ...fields, ...Object.fromEntries(bookkeeping) };
}
