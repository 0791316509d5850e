import type { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { clockOf } from '../server/clock';
import { perClient } from '../server/per-client';
import { SharedStream } from '../server/shared-stream';
import { lookOf } from './look';

/**
 * The changes of the control documents of one database and client. They are hints to look at once: without them a change is seen at the
 * next look, so a failure needs no warning.
 */
class ControlChanges {
  /** The models that are heard, by the names of their side collections. */
  readonly #models = new Map<string, AnyModel>();
  readonly #stream: SharedStream;

  constructor(database: mongo.Db) {
    this.#stream = new SharedStream(database, {
      name: 'control stream',
      filter: () => ({ 'ns.coll': { $in: [...this.#models.keys()] }, 'documentKey._id': 'control' }),
      onChange: ({ coll }) => this.#look(coll),
    });
  }

  listen(model: AnyModel): () => void {
    const name = `${model.collection.name}.queue`;
    const isWider = !this.#models.has(name);
    this.#models.set(name, model);

    return this.#stream.watch(isWider);
  }

  #look(name: string): void {
    const model = this.#models.get(name);
    if (model)
      lookOf(model)
        .again()
        .catch(() => {});
  }
}

const changesOf = perClient(
  (model) => model.db.name,
  (model) => new ControlChanges((model.db.getClient() as unknown as mongo.MongoClient).db(model.db.name)),
);

/** Has changes of the model's control document looked at as soon as they are there, where the server has change streams. */
export function hearControl(model: AnyModel): () => void {
  let stop: (() => void) | null = null;
  let hasEnded = false;
  const opening = clockOf(model).then(({ isReplicated }) => {
    if (isReplicated && !hasEnded) stop = changesOf(model).listen(model);
  });
  opening.catch(() => {});

  return () => {
    hasEnded = true;
    stop?.();
    stop = null;
  };
}
