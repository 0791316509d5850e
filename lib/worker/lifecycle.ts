import { once } from 'node:events';
import { type AnyDocument, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { indexesReady } from '../indexes/prepare';
import { clearTimeout, setTimeout } from '../timers';
import type { Announcer } from './announcer';
import type { WorkerEvents } from './events';
import { WorkLoop } from './loop';
import { type ResolvedWorkerOptions, SIGNALS } from './options';

/** How long after its limit a stop waits for what gives tasks back, in milliseconds. */
const LEAVE_MS = 700;

/** What a run has its worker do. */
interface Owner {
  onSignal(): void;
  /** The run has nothing (more) to stop. */
  forget(run: Run): void;
}

/**
 * From a `start()` to the end of the `stop()` that belongs to it. What still hangs when it ends is left to its leases: nothing is told of
 * it any more, and the next run does not see it.
 */
export class Run {
  /** Aborted when no more is to be claimed. */
  readonly #ending = new AbortController();
  /** Aborted when what is in hand is not waited for any longer. */
  readonly #abandoned = new AbortController();
  /** Aborted when nothing is waited for any longer. */
  readonly #over = new AbortController();
  readonly #loop: WorkLoop;
  #leaving: NodeJS.Timeout | null = null;
  #hasEnded = false;

  /** Resolves when it is ready to claim, or stopped. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended, and never rejects. */
  readonly ended: Promise<void>;

  constructor(
    private readonly options: ResolvedWorkerOptions,
    private readonly announcer: Announcer<AnyDocument>,
    private readonly owner: Owner,
    private previous: Run | null,
  ) {
    const told = {
      announce: <Name extends keyof WorkerEvents<AnyDocument>>(
        name: Name,
        ...values: WorkerEvents<AnyDocument>[Name]
      ) => this.#hasEnded || announcer.announce(name, ...values),
      report: (error: unknown) => this.#hasEnded || announcer.report(error),
    };
    this.#loop = new WorkLoop(options, told, { ending: this.#ending.signal, abandoned: this.#abandoned.signal });
    this.ready = this.#prepare();
    // A start that failed has nothing to stop.
    this.ended = this.ready.then(
      () => this.#live(),
      () => {},
    );
  }

  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Resolves when it has ended, at the latest a moment after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#ending.abort();
    const limit = setTimeout(() => this.#abandon(), timeoutMs);
    // The one before may have been given more time.
    void this.previous?.stop(timeoutMs);
    await this.ended;
    clearTimeout(limit);
  }

  async #prepare(): Promise<void> {
    const stopped = once(this.#ending.signal, 'abort');
    await this.previous?.ended;
    this.previous = null;
    try {
      // One that is stopped meanwhile need not become ready.
      await Promise.race([stopped, Promise.all(this.options.sources.map(({ model }) => indexesReady(model)))]);
    } catch (error) {
      this.owner.forget(this);
      throw error;
    }
  }

  // It ends with `stop()`, and with nothing else.
  async #live(): Promise<void> {
    const over = once(this.#over.signal, 'abort');
    if (this.options.handleSignals) for (const name of SIGNALS) process.on(name, this.owner.onSignal);
    await Promise.race([over, this.#loop.done()]);

    clearTimeout(this.#leaving ?? undefined);
    for (const name of SIGNALS) process.off(name, this.owner.onSignal);
    this.#reportLeft(this.#loop.leave());
    this.#hasEnded = true;
    this.owner.forget(this);
    this.announcer.announce('stopped');
  }

  #abandon(): void {
    if (this.#abandoned.signal.aborted) return;
    this.#abandoned.abort();
    this.#leaving = setTimeout(() => this.#over.abort(), LEAVE_MS);
    this.#loop.abandon();
  }

  #reportLeft(left: readonly AnyDocument[]): void {
    if (left.length === 0) return;

    const names = left.slice(0, 3).map((task) => `${modelOf(task).modelName} ${String(task._id)}`);
    this.announcer.report(
      new TaskQueueError(
        `The worker stopped while ${left.length} of its tasks could not be settled or given back: ${names.join(', ')}${left.length > names.length ? ', …' : ''}. They are due again when their leases end.`,
      ),
    );
  }
}
