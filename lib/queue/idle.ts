import type { AnyModel } from '../definition/definition';
import { watchesFor } from '../dependencies/references';
import { onArrival, type Watched } from '../notify/arrivals';
import { watchChanges } from '../notify/watch';
import { onControl } from '../side/control';
import { clearTimeout, setTimeout } from '../timers';

/** How long the first wait after activity lasts, in milliseconds: tasks pushed at the same moment are found soon. */
const EAGER_MS = 10;
/** How long a wait after an error may last, in milliseconds. It is short, since the driver itself waits for a server. */
const MAX_ERROR_WAIT_MS = 1_000;
/** The part by which a wait varies, so that processes which started together do not poll together. */
const JITTER = 0.2;
/** At most this many fruitless arrivals in a row are answered at once; further ones after a pause, which doubles. */
const PATIENCE = 3;
const MAX_PAUSE_MS = 100;

/**
 * How a consumer waits when nothing is ready: shortly after activity, then up to `pollMs`. A task that arrives ends the wait, in this
 * process or in another.
 */
export class Idle {
  #waitMs = EAGER_MS;
  #errorMs = 0;
  #fruitless = 0;
  #arrived = false;
  #wake: () => void = () => {};
  #heeds = 0;
  #isClosed = false;
  #stopListening: (() => void) | null = null;
  #stopWatching: (() => void) | null = null;

  constructor(
    private readonly models: readonly AnyModel[],
    private readonly pollMs: number,
    private readonly usesChangeStreams: boolean,
  ) {}

  /** Call it before each look at the database: an arrival from then on ends the next wait. */
  listen(): void {
    this.#arrived = false;
    this.#heed();
  }

  /** Call it after each look that did not fail. After a find the waits are short again, since more tasks are likely. */
  succeeded(hasFound: boolean): void {
    this.#errorMs = 0;
    if (!hasFound) return;

    this.#waitMs = EAGER_MS;
    this.#fruitless = 0;
    this.#stopWatching?.();
    this.#stopWatching = null;
  }

  failed(): void {
    this.#errorMs = Math.min(MAX_ERROR_WAIT_MS, Math.max(this.pollMs, this.#errorMs * 2));
  }

  async wait(signal: AbortSignal): Promise<void> {
    // A model heard of only now may have changed before: that counts as an arrival.
    if (this.#heed()) this.#arrive();
    if (this.usesChangeStreams && !this.#errorMs) await this.#startWatching();
    if (!this.#arrived) await this.#rest(signal);
    if (!this.#arrived) {
      this.#fruitless = 0;
      return;
    }
    // A busy collection among those listened to must not keep an idle consumer busy.
    const pauseMs = this.#fruitless > PATIENCE ? Math.min(MAX_PAUSE_MS, 2 ** (this.#fruitless - PATIENCE)) : 0;
    this.#fruitless++;
    if (pauseMs > 0) await this.#sleep(pauseMs, signal);
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const waitMs = this.#errorMs || Math.min(this.#waitMs, this.pollMs);
    this.#waitMs = Math.min(this.#waitMs * 2, this.pollMs);
    await this.#sleep(waitMs * (1 - JITTER + 2 * JITTER * Math.random()), signal);
  }

  /** Ends the wait, as an arrival does. */
  nudge(): void {
    this.#arrive();
  }

  close(): void {
    this.#isClosed = true;
    this.#unheed();
  }

  #unheed(): void {
    this.#stopListening?.();
    this.#stopListening = null;
    this.#stopWatching?.();
    this.#stopWatching = null;
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener('abort', wake, { once: true });
      this.#wake = wake;
    });
  }

  /** Listens to all models that matter. Returns whether there are more than before: a `refPath` names its models bit by bit. */
  #heed(): boolean {
    const models = this.#heeded();
    if (this.#isClosed || models.length === this.#heeds) return false;

    this.#unheed();
    this.#heeds = models.length;
    const arrive = () => this.#arrive();
    const stops = [
      ...models.map((model) => onArrival(model, arrive)),
      // The end of a pause is an arrival.
      ...this.models.map((model) => onControl(model, arrive)),
    ];
    this.#stopListening = () => stops.forEach((stop) => stop());
    return true;
  }

  #arrive(): void {
    const isNews = !this.#arrived;
    this.#arrived = true;
    this.#waitMs = EAGER_MS;
    if (isNews) this.#wake();
  }

  async #startWatching(): Promise<void> {
    // Polling works without change streams, so a server that cannot be asked now is no reason to end.
    this.#stopWatching ??= await watchChanges(this.#watched()).catch(() => null);
  }

  // The models that the tasks wait for: a change of a document there may make a task ready.
  #awaited(): AnyModel[] {
    try {
      return this.models.flatMap((model) => watchesFor(model).map((watch) => watch.model));
    } catch {
      // A kind that was added later may refer to a model that is missing: each look throws that error.
      return [];
    }
  }

  #heeded(): AnyModel[] {
    return [...new Set([...this.models, ...this.#awaited()])];
  }

  #watched(): Watched[] {
    const awaited = this.#awaited().map((model) => model.collection.name);

    return this.#heeded().map((model) => ({ model, isAwaited: awaited.includes(model.collection.name) }));
  }
}
