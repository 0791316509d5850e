import { isPermanent } from '../server/permanent';
import { monotonic } from '../timers';
import { lineOf, sentenceOf } from '../values/describe';
import type { Emitter } from './emitter';
import type { WorkerEvents } from './events';

/** How often a permanent error is reported, in milliseconds: the worker meets it with every look at the queue. */
const REPEAT_MS = 60_000;

/** Calls the listeners of a worker's events. What a listener throws harms neither the worker nor its tasks. */
export class Announcer<Doc> {
  #isWarned = false;
  /** When each permanent error was last reported. */
  readonly #told = new Map<string, number>();

  constructor(private readonly emitter: Emitter<WorkerEvents<Doc>>) {}

  // Each listener is called by itself: what one throws must not keep the event from the next, or change a task's outcome.
  announce<Name extends keyof WorkerEvents<Doc>>(name: Name, ...values: WorkerEvents<Doc>[Name]): void {
    for (const listener of this.emitter.rawListeners(name)) {
      const heard = (async () => (listener as (...values: unknown[]) => unknown).apply(this.emitter, values))();
      heard.catch((error: unknown) => (name === 'error' ? this.#warn(error) : this.report(error)));
    }
  }

  report(error: unknown): void {
    if (isPermanent(error) && !this.#isDue(lineOf(error))) return;
    if (this.emitter.listenerCount('error') > 0) this.announce('error', error);
    else this.#warn(error);
  }

  #isDue(line: string): boolean {
    const now = monotonic();
    for (const [earlier, at] of this.#told) if (now - at >= REPEAT_MS) this.#told.delete(earlier);
    if (this.#told.has(line)) return false;
    this.#told.set(line, now);

    return true;
  }

  #warn(error: unknown): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    process.emitWarning(
      `A worker goes on after: ${sentenceOf(error)} Listen to its \`error\` event to see every one.`,
      'TaskQueueWarning',
    );
  }
}
