import type { AnyDocument } from '../definition/definition';
import { MAX_TIMER_MS, refuseUnknown, requireInteger } from '../values/check';
import { Announcer } from './announcer';
import { notRunning } from './drained';
import type { WorkerEvents } from './events';
import { Run } from './lifecycle';
import { Emitter } from './emitter';
import { logWorker } from './log';
import type { TaskOf, WorkerModels } from './models';
import { type ResolvedWorkerOptions, resolveWorkerOptions, type WorkerOptions } from './options';
import type { WorkerStatus } from './status';

/** Options of `stop()`. */
export interface StopOptions {
  /**
   * How long running handlers may still take, in milliseconds; then their signals are aborted and their tasks released. Default: the
   * worker's `stopTimeoutMs`.
   */
  timeoutMs?: number | undefined;
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
export interface Worker<Doc = AnyDocument> extends Emitter<WorkerEvents<Doc>> {
  /**
   * Resolves when the worker is ready to claim: connected, and with its indexes. Rejects when it cannot become ready; it may then be
   * called again. Safe to call twice.
   */
  start(): Promise<void>;

  /**
   * Stops claiming, waits for running handlers, then aborts their signals and releases their tasks without charging an attempt.
   * Resolves when no task is held, at the latest a second after the limit: tasks that still hang are left to their leases, and an
   * `error` event names them. Safe to call twice, or before `start()`; the worker may be started again afterwards.
   *
   * @throws {InvalidOptionError} for a wrong option.
   */
  stop(options?: StopOptions): Promise<void>;

  /** What the worker does now, and the tasks it holds. */
  status(): WorkerStatus;

  /**
   * Resolves when nothing is ready and nothing is in hand: at the first look from now on that finds nothing. Tasks that are delayed or wait
   * for other documents do not count; while anything is paused it waits. Rejects with `TaskQueueError` when the worker does not run, or is
   * stopped before.
   */
  drained(): Promise<void>;
}

/** Makes workers, and infers the tasks of their models. (The type parameter of a class could not be inferred as a union.) */
export interface WorkerConstructor {
  /** @throws {InvalidOptionError} for a wrong option, or a model without the plugin. */
  new <const Models extends WorkerModels>(
    models: Models,
    options?: WorkerOptions<TaskOf<Models>>,
  ): Worker<TaskOf<Models>>;
  /** What all workers are instances of. */
  readonly prototype: Worker;
}

/** Makes workers: `new Worker(Email, { handler })`, or `new Worker([Email, Report], { handler })` for several models. */
export const Worker: WorkerConstructor = class<Doc> extends Emitter<WorkerEvents<Doc>> {
  readonly #options: ResolvedWorkerOptions;
  readonly #announcer: Announcer<AnyDocument>;
  #current: Run | null = null;

  constructor(models: WorkerModels, options: WorkerOptions<Doc> = {}) {
    super();
    this.#options = resolveWorkerOptions(models, options as WorkerOptions);
    const emitter = this as unknown as Emitter<WorkerEvents<AnyDocument>>;
    this.#announcer = new Announcer(emitter);
    if (this.#options.logger) logWorker(emitter, this.#options.logger);
  }

  async start(): Promise<void> {
    if (!this.#current || this.#current.isEnding)
      this.#current = new Run(this.#options, this.#announcer, this.#owner, this.#current);

    await this.#current.ready;
  }

  async stop(options: StopOptions = {}): Promise<void> {
    refuseUnknown(options, ['timeoutMs'], 'stop()');
    const { timeoutMs = this.#options.stopTimeoutMs } = options;
    requireInteger('timeoutMs', timeoutMs, 0, MAX_TIMER_MS, 'milliseconds', '`stop({ timeoutMs: 30_000 })`');

    await this.#current?.stop(timeoutMs);
  }

  status(): WorkerStatus {
    return this.#current?.status ?? { state: 'stopped', held: [] };
  }

  async drained(): Promise<void> {
    if (!this.#current) throw notRunning();
    await this.#current.drained();
  }

  readonly #owner = {
    onSignal: (): void => {
      this.stop().catch((error: unknown) => this.#announcer.report(error));
    },
    forget: (run: Run): void => {
      if (this.#current === run) this.#current = null;
    },
  };
};
