import type { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { hasChangeStreams } from '../server/clock';
import { openStream } from '../server/open-stream';
import { clearTimeout, setTimeout } from '../timers';

/** Without change streams, all that look are told to look again so often, in milliseconds. */
const POLL_MS = 5_000;
/** After a change a stream rests for so long, in milliseconds: a busy queue would keep it busy all the time. */
const REST_MS = 1_000;
const RETRY_MS = 30_000;

type Tell = (models: readonly AnyModel[]) => void;

/**
 * Hears of changes in the collections of one database: by a change stream that is open until the first change and rests then, or, where the
 * server has none, by telling that something may have changed every few seconds.
 */
export class Changes {
  #stream: mongo.ChangeStream | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isOn = false;
  /** Whether something may have changed while the stream rested. */
  #mayHaveMissed = false;

  constructor(
    private readonly models: readonly AnyModel[],
    private readonly tell: Tell,
  ) {}

  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#mayHaveMissed = false;
    void this.#listen();
  }

  stop(): void {
    this.#isOn = false;
    clearTimeout(this.#timer ?? undefined);
    this.#close();
  }

  async #listen(): Promise<void> {
    try {
      const hasStreams = await hasChangeStreams(this.models[0]!);
      if (!this.#isOn) return;
      if (hasStreams) this.#open();
      else this.#later(POLL_MS, () => this.#poll());
    } catch {
      this.#later(RETRY_MS, () => void this.#listen());
    }
  }

  #poll(): void {
    this.tell(this.models);
    this.#later(POLL_MS, () => this.#poll());
  }

  #open(): void {
    // Who left and came back before the first answer has been waiting twice.
    this.#close();
    const { db } = this.models[0]!;
    const collections = this.models.map(({ collection }) => collection.name);
    const sides = collections.map((name) => `${name}.queue`);
    const ofControl = { 'ns.coll': { $in: sides }, 'documentKey._id': 'control' };
    const news = { $or: [{ 'ns.coll': { $in: collections } }, ofControl] };
    try {
      const stream = openStream(
        db.db as unknown as mongo.Db,
        news,
        (namespace) => this.#stream === stream && this.#hear(namespace?.coll),
      );
      this.#stream = stream;
      stream.on('error', () => this.#stream === stream && this.#fail());
    } catch {
      this.#fail();
      return;
    }
    if (this.#mayHaveMissed) this.tell(this.models);
    this.#mayHaveMissed = false;
  }

  #hear(name = ''): void {
    const concerned = this.models.filter(({ collection }) =>
      [name, name.replace(/\.queue$/, '')].includes(collection.name),
    );
    this.#close();
    this.#mayHaveMissed = true;
    this.tell(concerned.length > 0 ? concerned : this.models);
    this.#later(REST_MS, () => this.#open());
  }

  // In silence: who looks can look again without being told.
  #fail(): void {
    this.#close();
    this.tell(this.models);
    this.#later(RETRY_MS, () => this.#open());
  }

  #later(ms: number, then: () => void): void {
    if (!this.#isOn) return;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = setTimeout(then, ms);
    this.#timer.unref();
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close().catch(() => {});
  }
}
