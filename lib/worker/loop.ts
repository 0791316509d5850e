import type { AnyDocument } from '../definition/definition';
import { Idle } from '../queue/idle';
import { releaseMany } from '../settle/release-many';
import { onControl } from '../side/control';
import { isHeldBack } from '../side/pause';
import { clearTimeout, monotonic, nextTurn } from '../timers';
import { type Claimed, Claimer } from './claimer';
import { conclude, type Outcome, StoppedError } from './conclude';
import type { HeldTask } from './held-task';
import { HeldTasks } from './held-tasks';
import type { ResolvedWorkerOptions } from './options';
import { perform, startLimit, type Thrown } from './perform';
import { PrefetchBuffer } from './prefetch';
import { tellFailed, tellOutcome, tellThrownAfter, type Told } from './report-outcome';

/** At most this many tasks per claim. */
const MAX_CLAIM = 1_000;
/** At most this many finished handlers per slot await their settle: a bigger batch is cheaper, but a crash repeats more work. */
const MAX_SETTLED_BESIDE = 3;

/** `ending` stops the claims; `abandoned` stops the wait for held tasks. */
export interface Signals {
  readonly ending: AbortSignal;
  readonly abandoned: AbortSignal;
}

/** Claims tasks for free slots, runs their handlers, and settles them. */
export class WorkLoop {
  readonly #held: HeldTasks;
  readonly #prefetched: PrefetchBuffer;
  readonly #claimer: Claimer;
  readonly #idle: Idle;
  /** How many tasks have a running handler, and how many are being settled. */
  #running = 0;
  #concluding = 0;
  /** True after an idle wait: the next claim asks for one task per model. */
  #hasWaited = false;
  /** Whether `idle` was emitted since a task was last claimed. */
  #isIdle = false;
  #hasLeft = false;
  /** Resolves when the tasks given back so far are released. */
  #returning: Promise<unknown> = Promise.resolve();
  #slotFreed: () => void = () => {};
  #stopHearing: readonly (() => void)[] = [];

  constructor(
    private readonly options: ResolvedWorkerOptions,
    private readonly told: Told,
    private readonly signals: Signals,
  ) {
    const { sources, pop, concurrency, prefetch, pollMs, changeStreams } = options;
    const models = sources.map(({ model }) => model);
    this.#held = new HeldTasks((error) => told.report(error));
    this.#claimer = new Claimer(sources, pop, (error, task) => tellFailed(told, error, task));
    this.#prefetched = new PrefetchBuffer(concurrency, prefetch, (held) => this.#giveBack(held));
    this.#idle = new Idle(models, pollMs, changeStreams);
  }

  /** Works until claiming has ended and no task is held. */
  async done(): Promise<void> {
    const { ending } = this.signals;
    ending.addEventListener('abort', () => this.#end(), { once: true });
    this.#stopHearing = this.options.sources.map(({ model }) => onControl(model, () => this.#holdBack()));
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
    this.#stopHearing.forEach((stop) => stop());
    this.#idle.close();
    this.#held.close();

    return [...this.#held].map(({ task }) => task);
  }

  #end(): void {
    this.#idle.close();
    this.#giveBack(this.#prefetched.clear());
    this.#slotFreed();
  }

  /** How many tasks to claim next. The prefetch buffer is refilled when half of it was used: a big claim costs less per task. */
  #wanted(): number {
    const { target, size } = this.#prefetched;
    const free = this.#hasSlot ? this.options.concurrency - this.#running : 0;
    if (size >= target / 2 && (size > 0 || free === 0)) return 0;

    // After a wait a single task is likely, and a claim of one is the fastest.
    return Math.min(Math.max(0, free + target - size), this.#hasWaited ? this.options.sources.length : MAX_CLAIM);
  }

  async #fill(wanted: number): Promise<void> {
    this.#idle.listen();
    this.#hasWaited = false;
    const { count, errors, isFailed } = await this.#claim(wanted);
    for (const error of errors) this.told.report(error);
    if (this.signals.ending.aborted) return;

    if (isFailed) this.#idle.failed();
    else this.#idle.succeeded(count > 0);
    if (count > 0) this.#isIdle = false;
    if (count === wanted) return;

    if (this.#held.size === 0 && !isFailed) this.#announceIdle();
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
    this.#holdBack();
    this.#startNext();
  }

  /** Gives back what was claimed before a pause was heard of, and has not begun. */
  #holdBack(): void {
    const out = this.#prefetched.remove(({ task }) => isHeldBack(task));
    if (out.length > 0) this.#giveBack(out);
  }

  #announceIdle(): void {
    if (this.#isIdle) return;
    this.#isIdle = true;
    this.told.announce('idle');
  }

  #startNext(): void {
    while (!this.signals.ending.aborted && this.#hasSlot) {
      const held = this.#prefetched.next();
      if (!held) break;
      if (held.aborted) this.#drop(held, { name: 'lost', error: held.aborted.reason });
      else void this.#perform(held);
    }
  }

  async #perform(held: HeldTask): Promise<void> {
    const startedAt = monotonic();
    const limit = startLimit(held, this.options.timeoutMs);
    this.#running++;
    this.told.announce('started', held.task);
    const thrown = await perform(held, this.options);
    this.#running--;
    this.#concluding++;
    this.#startNext();
    await this.#conclude(held, thrown);
    clearTimeout(limit ?? undefined);
    this.#concluding--;
    this.#held.drop(held);
    this.#prefetched.took(monotonic() - startedAt);
    this.#startNext();
    this.#slotFreed();
  }

  async #conclude(held: HeldTask, thrown: Thrown | null): Promise<void> {
    held.isConcluding = true;
    try {
      const outcome = await conclude(held, thrown, this.signals.abandoned, (error) => this.told.report(error));
      tellOutcome(this.told, held, outcome);
      if (thrown && !held.aborted) tellThrownAfter(this.told, held, outcome, thrown);
    } catch (error) {
      this.told.report(error);
    }
  }

  /** Whether a handler may start. A task that is being settled frees its slot, up to a limit; with a concurrency of 1 it keeps it. */
  get #hasSlot(): boolean {
    const { concurrency } = this.options;

    return this.#running < concurrency && this.#concluding <= MAX_SETTLED_BESIDE * (concurrency - 1);
  }

  #drop(held: HeldTask, outcome: Outcome): void {
    this.#held.drop(held);
    tellOutcome(this.told, held, outcome);
  }

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
