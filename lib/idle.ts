import { onArrival } from './arrivals';
import type { AnyModel } from './definition';
import { watchesFor } from './dependencies/references';

/** The first wait after activity, in milliseconds: what comes in at the same moment is found soon. */
const EAGER_MS = 10;
const MAX_ERROR_WAIT_MS = 30_000;
/** Waits vary by this part, so that processes which started together do not ask together. */
const JITTER = 0.2;

/** How a consumer waits when nothing is ready: shortly after activity, then up to `pollMs`, until a task arrives in this process. */
export class Idle {
  #waitMs = EAGER_MS;
  #errorMs = 0;
  #arrived = false;
  #wake: () => void = () => {};
  #stopListening: (() => void) | null = null;

  constructor(
    private readonly models: readonly AnyModel[],
    private readonly pollMs: number,
  ) {}

  /** To be called before each look at the database: from here on an arrival ends the next wait. */
  listen(): void {
    this.#arrived = false;
    this.#stopListening ??= this.#startListening();
  }

  /** To be called after each look that worked. What was found makes it likely that there is more. */
  succeeded(hasFound: boolean): void {
    if (hasFound) this.#waitMs = EAGER_MS;
    this.#errorMs = 0;
  }

  failed(): void {
    this.#errorMs = Math.min(MAX_ERROR_WAIT_MS, Math.max(this.pollMs, this.#errorMs * 2));
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (this.#arrived || signal.aborted) return;
    const waitMs = this.#errorMs || Math.min(this.#waitMs, this.pollMs);
    this.#waitMs = Math.min(this.#waitMs * 2, this.pollMs);

    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs * (1 - JITTER + 2 * JITTER * Math.random()));
      signal.addEventListener('abort', wake, { once: true });
      this.#wake = wake;
    });
  }

  close(): void {
    this.#stopListening?.();
  }

  // What the tasks wait for counts as well: its end may make one of them ready.
  #startListening(): () => void {
    const awaited = this.models.flatMap((model) => watchesFor(model).map((watch) => watch.model));
    const models = new Set([...this.models, ...awaited]);
    const stops = [...models].map((model) =>
      onArrival(model, () => {
        this.#arrived = true;
        this.#waitMs = EAGER_MS;
        this.#wake();
      }),
    );

    return () => stops.forEach((stop) => stop());
  }
}
