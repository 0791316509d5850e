import { once } from 'node:events';
import { type AnyDocument, type AnyModel, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { indexesReady } from '../indexes/prepare';
import { tellOutcome } from '../observe';
import { Beat } from '../side/beat';
import { clearTimeout, setTimeout } from '../timers';
import { shownId } from '../values/id';
import type { Announcer } from './announcer';
import type { WorkerEvents } from './events';
import { LEAVE_MS } from './limits';
import { WorkLoop } from './loop';
import { type ResolvedWorkerOptions, SIGNALS } from './options';
import { areAllPaused, heldStatus, type WorkerStatus } from './status';

/** The functions of the worker that a run calls. */
interface Owner {
  onSignal(): void;
  /** Called when the run has nothing (more) to stop. */
  forget(run: Run): void;
}

/**
 * One run of a worker, from a `start()` to the end of its `stop()`. Tasks that still hang at its end are left to their leases: they cause
 * no more events, and the next run does not see them.
 */
export class Run {
  /** Aborted when no more tasks are to be claimed. */
  readonly #ending = new AbortController();
  /** Aborted when running handlers are no longer waited for. */
  readonly #abandoned = new AbortController();
  /** Aborted when the run ends without waiting for anything. */
  readonly #over = new AbortController();
  readonly #loop: WorkLoop;
  readonly #beat: Beat;
  #leaving: NodeJS.Timeout | null = null;
  #hasEnded = false;

  /** Resolves when the run is ready to claim, or is stopped. Rejects when it cannot become ready. */
  readonly ready: Promise<void>;
  /** Resolves when the run has ended; never rejects. */
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
      record: (...outcome: Parameters<Beat['record']>) => {
        this.#beat.record(...outcome);
        tellOutcome(...outcome);
      },
    };
    this.#loop = new WorkLoop(options, told, { ending: this.#ending.signal, abandoned: this.#abandoned.signal });
    this.#beat = new Beat(
      this.#models,
      () => this.#loop.load,
      () => this.#loop.held,
    );
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

  get status(): WorkerStatus {
    const state = this.isEnding ? 'stopping' : areAllPaused(this.#models) ? 'paused' : 'running';

    return { state, held: this.#loop.held.map(heldStatus) };
  }

  drained(): Promise<void> {
    return this.#loop.drained();
  }

  get #models(): AnyModel[] {
    return this.options.sources.map(({ model }) => model);
  }

  /** Resolves when the run has ended, at the latest LEAVE_MS after `timeoutMs` (in milliseconds). */
  async stop(timeoutMs: number): Promise<void> {
    this.#ending.abort();
    const limit = setTimeout(() => this.#abandon(), timeoutMs);
    // An earlier run may have been given more time.
    void this.previous?.stop(timeoutMs);
    await this.ended;
    clearTimeout(limit);
  }

  async #prepare(): Promise<void> {
    const stopped = once(this.#ending.signal, 'abort');
    await this.previous?.ended;
    this.previous = null;
    try {
      // A run that is stopped meanwhile need not become ready.
      await Promise.race([stopped, Promise.all(this.#models.map((model) => indexesReady(model)))]);
    } catch (error) {
      this.owner.forget(this);
      throw error;
    }
  }

  // Only `stop()` ends it.
  async #live(): Promise<void> {
    const over = once(this.#over.signal, 'abort');
    if (this.options.handleSignals) for (const name of SIGNALS) process.on(name, this.owner.onSignal);
    // A run that is stopped before it is ready may have no connection.
    if (!this.isEnding) void this.#beat.start();
    await Promise.race([over, this.#loop.done()]);

    for (const name of SIGNALS) process.off(name, this.owner.onSignal);
    this.#reportLeft(this.#loop.leave());
    await Promise.race([over, this.#beat.stop()]);
    clearTimeout(this.#leaving ?? undefined);
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

    const names = left.slice(0, 3).map((task) => `${modelOf(task).modelName} ${shownId(task._id)}`);
    this.announcer.report(
      new TaskQueueError(
        `The worker stopped while ${left.length} of its tasks could not be settled or given back: ${names.join(', ')}${left.length > names.length ? ', …' : ''}. They are due again when their leases end.`,
      ),
    );
  }
}
