import type { mongo } from 'mongoose';
import { type AnyModel, nativeDatabaseOf, optionsOf, type AnySchema } from '../definition/definition';
import { perClient } from '../server/per-client';
import { SharedStream } from '../server/shared-stream';
import { noteListener, RENEW_MS, SELF } from '../side/listeners';
import { clearInterval, monotonic, setInterval } from '../timers';
import { announceNamespace, type Watched } from './arrivals';
import type { Signal } from './signal';
import { openTail } from './signal-tail';

/** A tail keeps one connection busy. Where there are fewer, those who work need them all. */
const FEW_CONNECTIONS = 5;

/** A collection whose signals are heard. */
interface Heard {
  readonly model: AnyModel;
  watchers: number;
  notedAt: number;
}

/** The signals of one database and client, heard while a consumer is idle: it looks for itself, and goes on polling without them. */
class DatabaseSignals {
  readonly #heard = new Map<string, Heard>();
  readonly #stream: SharedStream;
  /** Whether signals come in. Only then others are told to send any. */
  #isOpen = false;
  #renewing: NodeJS.Timeout | null = null;

  constructor(private readonly database: mongo.Db) {
    this.#stream = new SharedStream({
      name: `signals of ${database.databaseName}`,
      open: (events) => {
        this.#isOpen = false;
        return openTail(database, (signal) => this.#hear(signal), events);
      },
      onFailure: () => (this.#isOpen = false),
    });
  }

  /** Keeps the tail open until the returned function is called. */
  watch(watched: readonly Watched[]): () => void {
    if (this.#isShort) return () => {};
    const stop = this.#stream.watch(false);
    // What is no queue sends no signals.
    const heard = watched
      .filter(({ model }) => optionsOf(model.schema as AnySchema))
      .map(({ model }) => this.#entry(model));
    for (const one of heard) one.watchers++;
    this.#renewing ??= setInterval(() => this.#note(), RENEW_MS).unref();
    this.#note();

    return () => {
      stop();
      for (const one of heard) one.watchers--;
      if ([...this.#heard.values()].some(({ watchers }) => watchers > 0)) return;
      clearInterval(this.#renewing ?? undefined);
      this.#renewing = null;
    };
  }

  get #isShort(): boolean {
    const { maxPoolSize } = this.database.client.options;

    return maxPoolSize > 0 && maxPoolSize < FEW_CONNECTIONS;
  }

  #entry(model: AnyModel): Heard {
    const { name } = model.collection;
    const entry = this.#heard.get(name) ?? { model, watchers: 0, notedAt: -Infinity };
    this.#heard.set(name, entry);

    return entry;
  }

  #hear({ of, by }: Signal): void {
    const isOwn = SELF.equals(by as never);
    if (isOwn && !this.#isOpen) {
      this.#isOpen = true;
      this.#note();
    }
    // This process has told its own consumers.
    if (isOwn || !Array.isArray(of)) return;
    for (const name of of) announceNamespace(`${this.database.databaseName}.${name}`);
  }

  #note(): void {
    if (!this.#isOpen) return;
    for (const one of this.#heard.values()) {
      if (one.watchers === 0 || monotonic() - one.notedAt < RENEW_MS - 1) continue;
      one.notedAt = monotonic();
      noteListener(one.model).catch(() => {
        one.notedAt = -Infinity;
      });
    }
  }
}

/** The signals of a model's database. */
export const signalsOf = perClient(
  (model) => model.db.name,
  (model) => new DatabaseSignals(nativeDatabaseOf(model)),
);
