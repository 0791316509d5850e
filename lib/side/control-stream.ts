import type { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { clockOf } from '../server/clock';
import { clearTimeout, setTimeout } from '../timers';
import { lookOf } from './look';

/** How long a stream stays open after the last who listened, in milliseconds. */
const LINGER_MS = 10_000;
/** How long after a failure a stream is opened again, in milliseconds. */
const RETRY_MS = 30_000;

/**
 * The change stream of one database and client on the control documents. What it tells is a hint to look at once: without it the change is
 * seen at the next look.
 */
class ControlStream {
  /** The models that are heard, by the names of their side collections. */
  readonly #models = new Map<string, AnyModel>();
  #listeners = 0;
  #stream: mongo.ChangeStream | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly database: mongo.Db) {}

  listen(model: AnyModel): () => void {
    this.#listeners++;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    const name = `${model.collection.name}.queue`;
    if (!this.#models.has(name)) this.#close();
    this.#models.set(name, model);
    this.#open();

    return () => {
      this.#listeners--;
      if (this.#listeners === 0) this.#later(LINGER_MS, () => this.#close());
    };
  }

  #open(): void {
    if (this.#stream || this.#listeners === 0) return;
    const ofControl = { 'ns.coll': { $in: [...this.#models.keys()] }, 'documentKey._id': 'control' };
    const news = { $or: [{ operationType: 'invalidate' }, ofControl] };
    try {
      const stream = this.database.watch([{ $match: news }, { $project: { ns: 1 } }], {
        readPreference: 'primary',
        readConcern: { level: 'majority' },
      });
      stream.on('change', ({ ns }: { ns?: { coll: string } }) => (ns ? this.#look(ns.coll) : this.#reopen()));
      stream.on('error', () => this.#stream === stream && this.#fail());
      this.#stream = stream;
    } catch {
      this.#fail();
    }
  }

  // Called when the database was dropped, which ends a stream without an error.
  #reopen(): void {
    this.#close();
    this.#open();
  }

  #look(name: string): void {
    const model = this.#models.get(name);
    if (model)
      lookOf(model)
        .again()
        .catch(() => {});
  }

  // In silence: the looks go on.
  #fail(): void {
    this.#close();
    this.#later(RETRY_MS, () => this.#open());
  }

  #later(ms: number, then: () => void): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      then();
    }, ms);
    this.#timer.unref();
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close().catch(() => {});
  }
}

const streams = new WeakMap<mongo.MongoClient, Map<string, ControlStream>>();

/** Has changes of the model's control document looked at as soon as they are there, where the server has change streams. */
export function hearControl(model: AnyModel): () => void {
  let stop: (() => void) | null = null;
  let hasEnded = false;
  const opening = clockOf(model).then(({ hasChangeStreams }) => {
    if (hasChangeStreams && !hasEnded) stop = streamOf(model).listen(model);
  });
  opening.catch(() => {});

  return () => {
    hasEnded = true;
    stop?.();
    stop = null;
  };
}

function streamOf(model: AnyModel): ControlStream {
  const client = model.db.getClient() as unknown as mongo.MongoClient;
  const ofClient = streams.get(client) ?? new Map<string, ControlStream>();
  streams.set(client, ofClient);
  const stream = ofClient.get(model.db.name) ?? new ControlStream(client.db(model.db.name));
  ofClient.set(model.db.name, stream);

  return stream;
}
