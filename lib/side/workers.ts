import { type AnyModel, definitionOf, rootOf } from '../definition/definition';
import { connected } from '../server/clock';
import { NEWEST } from '../server/read';
import { persistently } from '../server/transient';
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

/** The workers of a model in all processes. See `TaskStatics.workers`. */
export async function workers(model: AnyModel): Promise<WorkerRecord[]> {
  const { kind } = definitionOf(model);
  await connected(model);
  const alive = { $gt: ['$beat', { $subtract: ['$$NOW', GONE_MS] }] };
  const found = await persistently(() =>
    sideOf(model)
      .find<SideDocument & { worker: Omit<WorkerRecord, 'beat'>; beat: Date }>(
        { _id: { $type: 'objectId' } as never, $expr: alive },
        NEWEST,
      )
      .toArray(),
  );
  const own = [model.modelName, rootOf(model).modelName];

  return found
    .map(({ worker, beat }) => ({ ...worker, beat }))
    .filter(({ models }) => !kind || models.some((name) => own.includes(name)));
}
