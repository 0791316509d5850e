import type { mongo } from 'mongoose';
import { type AnyModel, nativeDatabaseOf } from '../definition/definition';
import { hasChangeStreams } from '../server/clock';
import { changesOf } from '../server/open-stream';
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
    const news = () => ({ 'ns.coll': { $in: [...this.#models.keys()] }, 'documentKey._id': 'control' });
    this.#stream = new SharedStream({
      name: `control stream on ${database.databaseName}`,
      open: changesOf(database, news, ({ coll }) => this.#look(coll)),
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

const controlsOf = perClient(
  (model) => model.db.name,
  (model) => new ControlChanges(nativeDatabaseOf(model)),
);

/** Has changes of the model's control document looked at as soon as they are there, where the server has change streams. */
export function hearControl(model: AnyModel): () => void {
  let stop: (() => void) | null = null;
  let hasEnded = false;
  const opening = hasChangeStreams(model).then((hasThem) => {
    if (hasThem && !hasEnded) stop = controlsOf(model).listen(model);
  });
  opening.catch(() => {});

  return () => {
    hasEnded = true;
    stop?.();
    stop = null;
  };
}
