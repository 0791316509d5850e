import type { mongo } from 'mongoose';
import { nativeDatabaseOf } from '../definition/definition';
import { perClient } from '../server/per-client';
import { SELF } from '../side/listeners';
import { monotonic, setTimeout } from '../timers';

/** Where the processes of a database tell each other of tasks that may be ready, on a server without change streams. */
export const SIGNALS = 'queue.signals';

/** At most one signal is sent in so many milliseconds, for whatever there is to tell by then. */
const PACE_MS = 5;

/** One document of that collection. */
export interface Signal extends mongo.Document {
  /** The collections in which tasks may be ready. */
  readonly of?: unknown;
  /** The process that says so, by its listener's id. */
  readonly by?: unknown;
}

/** What this process has to tell the others of one database and client. */
class Sender {
  readonly #collections = new Set<string>();
  #sentAt = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly database: mongo.Db) {}

  tell(collection: string): void {
    this.#collections.add(collection);
    if (this.#timer) return;
    const restMs = this.#sentAt + PACE_MS - monotonic();
    if (restMs <= 0) this.#send();
    else this.#timer = setTimeout(() => this.#send(), restMs);
  }

  #send(): void {
    this.#timer = null;
    this.#sentAt = monotonic();
    const signal: Signal = { of: [...this.#collections], by: SELF };
    this.#collections.clear();
    // A hint: who does not get it looks all the same.
    this.database
      .collection<Signal>(SIGNALS)
      .insertOne(signal, { writeConcern: { w: 1 } })
      .catch(() => {});
  }
}

/** What tells other processes of tasks of the model's database that may be ready. */
export const senderOf = perClient(
  (model) => model.db.name,
  (model) => new Sender(nativeDatabaseOf(model)),
);
