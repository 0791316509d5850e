import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { MAX_TIMER_MS, refuseUnknown, requireInteger } from '../check';
import type { AnyDocument } from '../definition';
import { Idle } from '../queue/idle';
import type { ModelOf } from '../model';
import { popMany } from '../claim/pop';
import { indexesReady } from '../prepare';
import { release } from '../settle/settle';
import { Hands, type InHand } from './hands';
import { resolveWorkerOptions, type ResolvedWorkerOptions, type WeightedModel, type WorkerOptions } from './options';
import type { WorkerEvents } from './events';
import { logWorker } from './log';
import { perform, StoppedError, type Outcome } from './perform';
import { Shares } from './share';

/** One model or several; several share the worker evenly, or by weight. */
export type WorkerModels<Doc> = ModelOf<Doc> | WeightedModel<Doc> | readonly (ModelOf<Doc> | WeightedModel<Doc>)[];

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export interface StopOptions {
  /** How long the tasks in hand may still take, in milliseconds; then their signals are aborted and they are released. Default: 30 000. */
  timeoutMs?: number | undefined;
}

/** From a `start()` to the end of the `stop()` that belongs to it. */
interface Run {
  /** Aborted when no more is to be claimed. */
  readonly ending: AbortController;
  /** Aborted when what is in hand is not waited for any longer. */
  readonly abandoned: AbortController;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
}

/**
 * Works on the tasks of one model or several: claims them, renews their leases, runs the handler, settles them.
 *
 * @example
 * const worker = new Worker(Email, { handler: async (email, { signal }) => send(email.to, { signal }), concurrency: 8 });
 * worker.on('failed', (email, error) => console.error(email.id, error));
 * await worker.start();
 * // … and before the process ends:
 * await worker.stop();
 */
export class Worker<Doc = AnyDocument> extends EventEmitter<WorkerEvents<Doc>> {
  readonly #options: ResolvedWorkerOptions;
  readonly #shares: Shares;
  readonly #hands = new Hands((error) => this.#report(error));
  #current: Run | null = null;
  #slotFreed: () => void = () => {};
  #isWarned = false;

  /** @throws {InvalidOptionError} for a wrong option, or a model without the plugin. */
  constructor(models: WorkerModels<Doc>, options: WorkerOptions<Doc> = {}) {
    super();
    this.#options = resolveWorkerOptions(models, options as WorkerOptions);
    this.#shares = new Shares(this.#options.sources);
    if (this.#options.logger)
      logWorker(this as unknown as EventEmitter<WorkerEvents<AnyDocument>>, this.#options.logger);
  }

  /** Resolves when the worker is ready to claim: connected, and with its indexes. Safe to call twice. */
  async start(): Promise<void> {
    if (!this.#current || this.#current.ending.signal.aborted) this.#current = this.#begin(this.#current);

    await this.#current.ready;
  }

  /**
   * Stops claiming, waits for the tasks in hand, then aborts their signals and releases them without charging an attempt.
   * Resolves when none is left. Safe to call twice, or before `start()`; the worker may be started again afterwards.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    refuseUnknown(options, ['timeoutMs'], 'stop()');
    const { timeoutMs = this.#options.stopTimeoutMs } = options;
    requireInteger('timeoutMs', timeoutMs, 0, MAX_TIMER_MS, 'milliseconds', '`stop({ timeoutMs: 30_000 })`');
    const run = this.#current;
    if (!run) return;

    run.ending.abort();
    const limit = setTimeout(() => this.#abandon(run), timeoutMs);
    await run.ended;
    clearTimeout(limit);
  }

  #begin(previous: Run | null): Run {
    const ending = new AbortController();
    const abandoned = new AbortController();
    const ready = this.#prepare(ending.signal, previous);
    // A start that failed has nothing to stop.
    const ended = ready.then(
      () => this.#work(ending.signal, abandoned.signal),
      () => {},
    );

    return { ending, abandoned, ready, ended };
  }

  async #prepare(ending: AbortSignal, previous: Run | null): Promise<void> {
    const stopped = once(ending, 'abort');
    await previous?.ended;
    try {
      // One that is stopped meanwhile need not become ready.
      await Promise.race([stopped, Promise.all(this.#options.sources.map(({ model }) => indexesReady(model)))]);
    } catch (error) {
      this.#forget(ending);
      throw error;
    }
  }

  #forget(ending: AbortSignal): void {
    if (this.#current?.ending.signal === ending) this.#current = null;
  }

  // Nothing may escape it: it ends with `stop()`, and with nothing else.
  async #work(ending: AbortSignal, abandoned: AbortSignal): Promise<void> {
    const idle = new Idle(
      this.#options.sources.map(({ model }) => model),
      this.#options.pollMs,
      this.#options.changeStreams,
    );
    if (this.#options.handleSignals) for (const name of SIGNALS) process.on(name, this.#onSignal);
    ending.addEventListener('abort', () => this.#slotFreed(), { once: true });
    while (!ending.aborted) {
      const free = this.#options.concurrency - this.#hands.size;
      if (free === 0) await this.#untilSlotFreed();
      else await this.#fill(free, idle, ending, abandoned);
    }
    idle.close();
    while (this.#hands.size > 0) await this.#untilSlotFreed();

    for (const name of SIGNALS) process.off(name, this.#onSignal);
    this.#forget(ending);
    this.#announce('stopped');
  }

  async #fill(free: number, idle: Idle, ending: AbortSignal, abandoned: AbortSignal): Promise<void> {
    idle.listen();
    const { tasks, isFailed } = await this.#claim(free);
    if (ending.aborted) {
      this.#reportAll(await Promise.allSettled(tasks.map((task) => release(task))));
      return;
    }
    for (const task of tasks) this.#perform(task, abandoned);
    if (isFailed) idle.failed();
    else idle.succeeded(tasks.length > 0);
    if (tasks.length === free) return;

    if (this.#hands.size === 0 && !isFailed) this.#announce('idle');
    await idle.wait(ending);
  }

  /**
   * One claim of each model for its share of the free slots; what one model does not need goes to the others. It has failed when
   * all of them have: one model that is out of order must not slow down the others.
   */
  async #claim(free: number): Promise<{ tasks: AnyDocument[]; isFailed: boolean }> {
    const { sources, pop } = this.#options;
    const open = sources.map(() => true);
    const tasks: AnyDocument[] = [];
    let failures = 0;
    while (tasks.length < free && open.includes(true)) {
      const shares = this.#shares.divide(free - tasks.length, open);
      const claims = shares.map(async (share, index) => (share > 0 ? popMany(sources[index]!.model, share, pop) : []));
      const results = await Promise.allSettled(claims);
      failures += this.#reportAll(results);
      results.forEach((result, index) => {
        const claimed = result.status === 'fulfilled' ? result.value : [];
        tasks.push(...claimed);
        if (claimed.length < shares[index]!) open[index] = false;
      });
    }

    return { tasks, isFailed: failures === sources.length };
  }

  #perform(task: AnyDocument, abandoned: AbortSignal): void {
    const held = this.#hands.take(task);
    this.#announce('started', task as Doc);
    perform(held, this.#options, abandoned)
      .then((outcome) => this.#announceOutcome(held, outcome))
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#hands.drop(held);
        this.#slotFreed();
      });
  }

  /** Tasks that end together free their slots together: one claim then serves them all. */
  async #untilSlotFreed(): Promise<void> {
    await new Promise<void>((resolve) => (this.#slotFreed = resolve));
    await setImmediate();
  }

  #abandon({ abandoned }: Run): void {
    abandoned.abort();
    for (const { abort } of this.#hands)
      abort.abort(new StoppedError('The worker stops and does not wait any longer.'));
  }

  readonly #onSignal = (): void => {
    this.stop().catch((error: unknown) => this.#report(error));
  };

  #announceOutcome({ task }: InHand, { name, error }: Outcome): void {
    if (name === 'finished' || name === 'released') this.#announce(name, task as Doc);
    else this.#announce(name, task as Doc, error);
  }

  // One by one: what a listener throws must not keep the event from the next, nor change what becomes of a task.
  #announce<Name extends keyof WorkerEvents<Doc>>(name: Name, ...values: WorkerEvents<Doc>[Name]): void {
    for (const listener of this.rawListeners(name)) {
      const heard = (async () => (listener as (...values: unknown[]) => unknown).apply(this, values))();
      heard.catch((error: unknown) => (name === 'error' ? this.#warn(error) : this.#report(error)));
    }
  }

  /** Returns how many failed. */
  #reportAll(results: readonly PromiseSettledResult<unknown>[]): number {
    const failed = results.filter((result) => result.status === 'rejected');
    for (const { reason } of failed) this.#report(reason);

    return failed.length;
  }

  #report(error: unknown): void {
    if (this.listenerCount('error') > 0) this.#announce('error', error);
    else this.#warn(error);
  }

  #warn(error: unknown): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    process.emitWarning(
      `A worker goes on after: ${String(error)}. Listen to its \`error\` event to see every one.`,
      'TaskQueueWarning',
    );
  }
}
