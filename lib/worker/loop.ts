import type { OnCancel } from '../cancel/heed';
import type { AnyDocument } from '../definition/definition';
import { Idle } from '../queue/idle';
import { releaseMany } from '../settle/release-many';
import type { Load } from '../side/beat';
import { clearTimeout, nextTurn } from '../timers';
import { type Claimed, Claimer } from './claimer';
import { StoppedError } from './conclude';
import { Draining } from './drained';
import type { HeldTask } from './held-task';
import { HeldTasks } from './held-tasks';
import type { ResolvedWorkerOptions } from './options';
import { perform, startLimit } from './perform';
import { PrefetchBuffer } from './prefetch';
import { concludeAndTell, type Signals, tellFailed, tellOutcome, type Told } from './report-outcome';
import { SlowWatch } from './slow-watch';

/** At most this many tasks per claim. */
const MAX_CLAIM = 1_000;
/** At most this many finished handlers per slot await their settle: a bigger batch is cheaper, but a crash repeats more work. */
const MAX_SETTLED_BESIDE = 3;

/** Claims tasks for free slots, runs their handlers, and settles them. */
export class WorkLoop {
  readonly #held: HeldTasks;
  readonly #prefetched: PrefetchBuffer;
  readonly #claimer: Claimer;
  readonly #idle: Idle;
  readonly #slow: SlowWatch;
  readonly #draining: Draining;
  /** How many tasks have a running handler, and how many are being settled. */
  #running = 0;
  #concluding = 0;
  /** True after an idle wait: the next claim asks for one task per model. */
  #hasWaited = false;
  #hasLeft = false;
  /** Resolves when the tasks given back so far are released. */
  #returning: Promise<unknown> = Promise.resolve();
  #slotFreed: () => void = () => {};

  constructor(
    private readonly options: ResolvedWorkerOptions,
    private readonly told: Told,
    private readonly signals: Signals,
  ) {
    const { sources, pop, concurrency, prefetch, pollMs, changeStreams, slowMs } = options;
    const models = sources.map(({ model }) => model);
    this.#held = new HeldTasks((error) => told.report(error), this.#cancel);
    this.#claimer = new Claimer(sources, pop, (error, task) => tellFailed(told, error, task));
    this.#prefetched = new PrefetchBuffer(concurrency, prefetch, (held) => this.#giveBack(held));
    this.#draining = new Draining(models, () => told.announce('idle'));
    this.#idle = new Idle(models, pollMs, changeStreams);
    this.#slow = new SlowWatch(slowMs, ({ task }, ms) => told.announce('slow', task, { ms }));
  }

  get load(): Load {
    return { concurrency: this.options.concurrency, running: this.#running, held: this.#held.size };
  }

  get held(): readonly HeldTask[] {
    return [...this.#held];
  }

  /** Resolves when nothing is ready and nothing is in hand. Rejects when claiming ends before. */
  drained(): Promise<void> {
    const drained = this.#draining.wait();
    this.#idle.nudge();

    return drained;
  }

  /** Works until claiming has ended and no task is held. */
  async done(): Promise<void> {
    const { ending } = this.signals;
    ending.addEventListener('abort', () => this.#end(), { once: true });
    const models = this.options.sources.map(({ model }) => model);
    // A run that was stopped before it was ready may have no connection.
    if (!ending.aborted) {
      this.#held.heedCancels(models);
      this.#prefetched.heedPauses(models, this.options.changeStreams);
    }
    while (!ending.aborted) {
      const wanted = this.#wanted();
      if (wanted === 0) await this.#untilSlotFreed();
      else await this.#fill(wanted);
    }
    // The last claim may have brought tasks after the signal: they go back too.
    this.#end();
    await this.#returning;
    while (this.#held.size > 0) await this.#untilSlotFreed();
  }

  /** Aborts the tasks whose handlers still run. A task whose handler has ended is settled, or left to its lease. */
  abandon(): void {
    for (const held of this.#held)
      if (!held.isConcluding) held.abort(new StoppedError('The worker stops and does not wait any longer.'));
  }

  /** Stops listening and renewing. Returns the tasks still held: they are due again when their leases end. */
  leave(): AnyDocument[] {
    this.#hasLeft = true;
    this.#prefetched.close();
    this.#idle.close();
    this.#slow.close();
    this.#held.close();

    return [...this.#held].map(({ task }) => task);
  }

  #end(): void {
    this.#idle.close();
    this.#draining.end();
    this.#giveBack(this.#prefetched.clear());
    this.#slotFreed();
  }

  /** How many tasks to claim next. */
  #wanted(): number {
    const free = this.#hasSlot ? this.options.concurrency - this.#running : 0;

    // After a wait a single task is likely, and a claim of one is the fastest.
    return Math.min(this.#prefetched.wanted(free), this.#hasWaited ? this.options.sources.length : MAX_CLAIM);
  }

  async #fill(wanted: number): Promise<void> {
    this.#idle.listen();
    this.#hasWaited = false;
    const looked = this.#draining.begin(this.#held.size > 0);
    const claimed = await this.#claim(wanted);
    for (const error of claimed.errors) this.told.report(error);
    if (this.signals.ending.aborted) return;

    if (claimed.isFailed) this.#idle.failed();
    else this.#idle.succeeded(claimed.count > 0);
    looked(claimed, this.#held.size > 0 || claimed.count === wanted);
    if (claimed.count === wanted) return;

    await this.#idle.wait(this.signals.ending);
    this.#hasWaited = true;
  }

  // It never rejects: only `stop()` ends the loop.
  #claim(wanted: number): Promise<Claimed> {
    return this.#claimer
      .claim(wanted, (tasks) => this.#take(tasks))
      .catch((error: unknown) => ({ count: 0, errors: [error], isFailed: true }));
  }

  #take(tasks: readonly AnyDocument[]): void {
    const held = tasks.map((task) => this.#held.take(task));
    // The run has ended and did not wait for this claim.
    if (this.#hasLeft) return this.#giveBack(held);

    this.#prefetched.add(held);
    this.#startNext();
  }

  #startNext(): void {
    while (!this.signals.ending.aborted && this.#hasSlot) {
      const held = this.#prefetched.next();
      if (!held) break;
      if (held.aborted) this.#lose(held, held.aborted.reason);
      else void this.#perform(held);
    }
  }

  async #perform(held: HeldTask): Promise<void> {
    held.begin();
    this.#slow.began(held);
    const limit = startLimit(held, this.options.timeoutMs);
    this.#running++;
    this.told.announce('started', held.task);
    const thrown = await perform(held, this.options);
    this.#running--;
    this.#slow.ended(held);
    this.#concluding++;
    this.#startNext();
    await concludeAndTell(held, thrown, this.signals.abandoned, this.told);
    clearTimeout(limit ?? undefined);
    this.#concluding--;
    this.#held.drop(held);
    if (this.#held.size === 0 && this.#draining.isAwaited) this.#idle.nudge();
    this.#prefetched.took(held.ranMs ?? 0);
    this.#startNext();
    this.#slotFreed();
  }

  /** Whether a handler may start. A task that is being settled frees its slot, up to a limit; with a concurrency of 1 it keeps it. */
  get #hasSlot(): boolean {
    const { concurrency } = this.options;

    return this.#running < concurrency && this.#concluding <= MAX_SETTLED_BESIDE * (concurrency - 1);
  }

  #lose(held: HeldTask, error: unknown): void {
    this.#held.drop(held);
    tellOutcome(this.told, held, { name: 'lost', error });
  }

  /** A task that is not begun goes back at once, which ends it. */
  readonly #cancel: OnCancel<HeldTask> = (held, error, leftMs) => {
    if (!this.#prefetched.remove(held)) return held.cancel(error, leftMs);
    this.#giveBack([held]);
    this.told.announce('cancelled', held.task, error);
  };

  /** Releases tasks that were not started. If that fails, they are due again when their leases end. */
  #giveBack(held: readonly HeldTask[]): void {
    for (const one of held) this.#held.drop(one);
    const returned = releaseMany(held.map(({ task }) => task)).catch((error: unknown) => this.told.report(error));
    this.#returning = Promise.all([this.#returning, returned]);
  }

  /** Resolves a turn after a slot is freed, so that one claim serves all slots that are freed together. */
  async #untilSlotFreed(): Promise<void> {
    await new Promise<void>((resolve) => (this.#slotFreed = resolve));
    await nextTurn();
  }
}
