import { EventEmitter, once } from 'node:events';
import { MAX_TIMER_MS, refuseUnknown, requireInteger } from '../check';
import type { AnyDocument } from '../definition';
import { Idle } from '../queue/idle';
import type { ModelOf } from '../model';
import { indexesReady } from '../prepare';
import { returnAll } from '../settle/return';
import { clearTimeout, monotonic, nextTurn, setTimeout } from '../timers';
import { trace } from '../trace';
import { Hands } from './hands';
import type { Held } from './held';
import { resolveWorkerOptions, type ResolvedWorkerOptions, type WeightedModel, type WorkerOptions } from './options';
import type { WorkerEvents } from './events';
import { logWorker } from './log';
import { Reserve } from './reserve';
import { conclude, perform, StoppedError, type Outcome } from './perform';
import { Supply } from './supply';

/** One model or several; several share the worker evenly, or by weight. */
export type WorkerModels<Doc> = ModelOf<Doc> | WeightedModel<Doc> | readonly (ModelOf<Doc> | WeightedModel<Doc>)[];

/** Tasks of one claim at the most. */
const MAX_CLAIM = 1_000;
/** Tasks that are settled together cost less for each: so many beside each slot at the most. More would have to be done again after a crash. */
const MAX_SETTLED_BESIDE = 3;
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

/** The signals of a run. */
interface Signals {
  readonly ending: AbortSignal;
  readonly abandoned: AbortSignal;
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
  readonly #supply: Supply;
  readonly #hands = new Hands((error) => this.#report(error));
  readonly #reserve: Reserve;
  /** Tasks whose handlers are under way, and those whose handlers have ended. */
  #running = 0;
  #concluding = 0;
  /** Whether nothing was claimed since there was nothing. */
  #hasWaited = false;
  #current: Run | null = null;
  #slotFreed: () => void = () => {};
  #isWarned = false;

  /** @throws {InvalidOptionError} for a wrong option, or a model without the plugin. */
  constructor(models: WorkerModels<Doc>, options: WorkerOptions<Doc> = {}) {
    super();
    this.#options = resolveWorkerOptions(models, options as WorkerOptions);
    const { sources, pop, concurrency, prefetch } = this.#options;
    this.#supply = new Supply(sources, pop);
    this.#reserve = new Reserve(concurrency, prefetch, (held) => void this.#giveBack(held));
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
      () => this.#work({ ending: ending.signal, abandoned: abandoned.signal }),
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
  async #work(signals: Signals): Promise<void> {
    const { ending } = signals;
    const idle = new Idle(
      this.#options.sources.map(({ model }) => model),
      this.#options.pollMs,
      this.#options.changeStreams,
    );
    if (this.#options.handleSignals) for (const name of SIGNALS) process.on(name, this.#onSignal);
    ending.addEventListener('abort', () => this.#slotFreed(), { once: true });
    while (!ending.aborted) {
      const wanted = this.#wanted();
      if (wanted === 0) await this.#untilSlotFreed();
      else await this.#fill(wanted, idle, signals);
    }
    idle.close();
    await this.#giveBack(this.#reserve.clear());
    while (this.#hands.size > 0) await this.#untilSlotFreed();

    for (const name of SIGNALS) process.off(name, this.#onSignal);
    this.#forget(ending);
    this.#announce('stopped');
  }

  /** How many tasks to claim next. The reserve is filled up when half of it was used: a claim of many costs less for each. */
  #wanted(): number {
    const { target, size } = this.#reserve;
    const free = this.#hasSlot ? this.#options.concurrency - this.#running : 0;
    if (size >= target / 2 && (size > 0 || free === 0)) return 0;

    // After a wait there is likely to be one, and the claim of one is the quickest.
    return Math.min(Math.max(0, free + target - size), this.#hasWaited ? this.#options.sources.length : MAX_CLAIM);
  }

  async #fill(wanted: number, idle: Idle, signals: Signals): Promise<void> {
    idle.listen();
    this.#hasWaited = false;
    const { count, errors, isFailed } = await this.#supply.claim(wanted, (tasks) => {
      this.#reserve.add(tasks.map((task) => this.#hands.take(task)));
      this.#startNext(signals);
    });
    for (const error of errors) this.#report(error);
    if (signals.ending.aborted) return;

    if (isFailed) idle.failed();
    else idle.succeeded(count > 0);
    if (count === wanted) return;

    if (this.#hands.size === 0 && !isFailed) this.#announce('idle');
    await idle.wait(signals.ending);
    this.#hasWaited = true;
  }

  #startNext(signals: Signals): void {
    while (!signals.ending.aborted && this.#hasSlot) {
      const held = this.#reserve.next();
      if (!held) break;
      if (held.aborted) this.#end(held, { name: 'lost', error: held.aborted.reason });
      else void this.#perform(held, signals);
    }
  }

  async #perform(held: Held, signals: Signals): Promise<void> {
    const startedAt = monotonic();
    this.#running++;
    this.#announce('started', held.task as Doc);
    const thrown = await perform(held, this.#options);
    this.#running--;
    this.#concluding++;
    this.#startNext(signals);
    try {
      this.#announceOutcome(held, await conclude(held, thrown, signals.abandoned));
    } catch (error) {
      this.#report(error);
    }
    this.#concluding--;
    this.#hands.drop(held);
    this.#reserve.took(monotonic() - startedAt);
    this.#startNext(signals);
    this.#slotFreed();
  }

  /** A task that is being settled leaves its slot to the next one, up to a limit: one that is worked on alone keeps it. */
  get #hasSlot(): boolean {
    const { concurrency } = this.#options;

    return this.#running < concurrency && this.#concluding <= MAX_SETTLED_BESIDE * (concurrency - 1);
  }

  #end(held: Held, outcome: Outcome): void {
    this.#hands.drop(held);
    this.#announceOutcome(held, outcome);
  }

  /** Puts tasks back that were not started. Should that not get through, they are due when their leases end. */
  async #giveBack(held: readonly Held[]): Promise<void> {
    for (const one of held) this.#hands.drop(one);
    await returnAll(held.map(({ task }) => task)).catch((error: unknown) => this.#report(error));
  }

  /** Tasks that end together free their slots together: one claim then serves them all. */
  async #untilSlotFreed(): Promise<void> {
    await new Promise<void>((resolve) => (this.#slotFreed = resolve));
    await nextTurn();
  }

  #abandon({ abandoned }: Run): void {
    abandoned.abort();
    for (const held of this.#hands) held.abort(new StoppedError('The worker stops and does not wait any longer.'));
  }

  readonly #onSignal = (): void => {
    this.stop().catch((error: unknown) => this.#report(error));
  };

  #announceOutcome({ task }: Held, { name, error }: Outcome): void {
    if (name === 'lost') trace(name, task);
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
