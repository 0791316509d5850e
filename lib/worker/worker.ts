import { EventEmitter } from 'node:events';
import type { AnyDocument } from '../definition/definition';
import type { QueueOf } from '../model/input';
import { MAX_TIMER_MS, refuseUnknown, requireInteger } from '../values/check';
import { Announcer } from './announcer';
import { notRunning } from './draining';
import type { WorkerEvents } from './events';
import { Run } from './lifecycle';
import { logWorker } from './log';
import { type ResolvedWorkerOptions, resolveWorkerOptions, type WeightedModel, type WorkerOptions } from './options';
import type { WorkerStatus } from './status';

/** One model or several; several share the worker evenly, or by weight. */
export type WorkerModels<Doc> = QueueOf<Doc> | WeightedModel<Doc> | readonly (QueueOf<Doc> | WeightedModel<Doc>)[];

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
export class Worker<Doc = AnyDocument> extends EventEmitter<WorkerEvents<Doc>> {
  readonly #options: ResolvedWorkerOptions;
  readonly #announcer: Announcer<AnyDocument>;
  #current: Run | null = null;

  /** @throws {InvalidOptionError} for a wrong option, or a model without the plugin. */
  constructor(models: WorkerModels<Doc>, options: WorkerOptions<Doc> = {}) {
    super();
    this.#options = resolveWorkerOptions(models, options as WorkerOptions);
    const emitter = this as unknown as EventEmitter<WorkerEvents<AnyDocument>>;
    this.#announcer = new Announcer(emitter);
    if (this.#options.logger) logWorker(emitter, this.#options.logger);
  }

  /**
   * Resolves when the worker is ready to claim: connected, and with its indexes. Rejects when it cannot become ready; it may then be
   * called again. Safe to call twice.
   */
  async start(): Promise<void> {
    if (!this.#current || this.#current.isEnding)
      this.#current = new Run(this.#options, this.#announcer, this.#owner, this.#current);

    await this.#current.ready;
  }

  /**
   * Stops claiming, waits for running handlers, then aborts their signals and releases their tasks without charging an attempt.
   * Resolves when no task is held, at the latest a second after the limit: tasks that still hang are left to their leases, and an
   * `error` event names them. Safe to call twice, or before `start()`; the worker may be started again afterwards.
   *
   * @throws {InvalidOptionError} for a wrong option.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    refuseUnknown(options, ['timeoutMs'], 'stop()');
    const { timeoutMs = this.#options.stopTimeoutMs } = options;
    requireInteger('timeoutMs', timeoutMs, 0, MAX_TIMER_MS, 'milliseconds', '`stop({ timeoutMs: 30_000 })`');

    await this.#current?.stop(timeoutMs);
  }

  /** What the worker does now, and the tasks it holds. */
  status(): WorkerStatus {
    return this.#current?.status ?? { state: 'stopped', held: [] };
  }

  /**
   * Resolves when nothing is ready and nothing is in hand: at the first look from now on that finds nothing. Tasks that are delayed or wait
   * for other documents do not count; while anything is paused it waits. Rejects with `TaskQueueError` when the worker does not run, or is
   * stopped before.
   */
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
}
