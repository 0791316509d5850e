import type { Types } from 'mongoose';
import { type AnyModel, definitionOf, rootOf } from '../definition/definition';
import { connected } from '../server/clock';
import { NEWEST } from '../server/read';
import { persistently } from '../server/transient';
import { isPlain } from '../values/writable';
import { GONE_MS, type Load } from './beat';
import { type SideDocument, sideOf } from './collection';

/** A worker that works the queue. Its load is that of its last beat, up to 20 seconds ago. */
export interface WorkerRecord extends Load {
  /** A text that names this run of the worker. */
  id: string;
  /** The name of its machine. */
  host: string;
  /** The number of its process. */
  pid: number;
  /** The names of all models it works. */
  models: string[];
  /** When it was first seen, by the server's clock. */
  since: Date;
  /** When it was last seen. */
  beat: Date;
}

/** A worker, and which tasks of the collection it held at its last beat: each with the token by which it held it. */
export interface Crew extends WorkerRecord {
  tasks: readonly { readonly id: unknown; readonly token: Types.ObjectId }[];
}

/** The workers of a model in all processes. See `TaskStatics.workers`. */
export async function workers(model: AnyModel): Promise<WorkerRecord[]> {
  return (await crewOf(model)).map((one) => {
    const { tasks: _, ...worker } = one;
    return worker;
  });
}

/** The workers of a model with what they hold. */
export async function crewOf(model: AnyModel): Promise<Crew[]> {
  const { kind } = definitionOf(model);
  await connected(model);
  const alive = { $gt: ['$beat', { $subtract: ['$$NOW', GONE_MS] }] };
  const found = await persistently(() =>
    sideOf(model)
      .find<SideDocument & { worker: Omit<Crew, 'beat'>; beat: Date }>(
        { _id: { $type: 'objectId' } as never, $expr: alive },
        NEWEST,
      )
      .toArray(),
  );
  const own = [model.modelName, rootOf(model).modelName];

  return found
    .filter(({ worker }) => isPlain(worker) && Array.isArray(worker.models))
    .map(({ worker, beat }) => ({ ...worker, tasks: worker.tasks ?? [], beat }))
    .filter(({ models }) => !kind || models.some((name) => own.includes(name)));
}
