import type { AnyDocument } from '../definition/definition';
import { Idle } from '../queue/idle';
import { releaseMany } from '../settle/release-many';
import { clearTimeout, monotonic, nextTurn } from '../timers';
import { type Claimed, Claimer } from './claimer';
import { conclude, type Outcome, StoppedError } from './conclude';
import type { HeldTask } from './held-task';
import { HeldTasks } from './held-tasks';
import type { ResolvedWorkerOptions } from './options';
import { perform, startLimit, type Thrown } from './perform';
import { PrefetchBuffer } from './prefetch';
import { tellFailed, tellOutcome, tellThrownAfter, type Told } from './report-outcome';

/** Tasks of one claim at the most. */
const MAX_CLAIM = 1_000;
/** Tasks that are settled together cost less for each: so many beside each slot at the most. More would have to be done again after a crash. */
const MAX_SETTLED_BESIDE = 3;

/** When to claim no more, and when to wait no more for what is in hand. */
export interface Signals {
  readonly ending: AbortSignal;
  readonly abandoned: AbortSignal;
}

/** Claims tasks for free slots, has them performed, and settles them. */
export class WorkLoop {
  readonly #held: HeldTasks;
  readonly #prefetched: PrefetchBuffer;
  readonly #claimer: Claimer;
  readonly #idle: Idle;
  /** Tasks whose handlers are under way, and those whose handlers have ended. */
  #running = 0;
  #concluding = 0;
  /** Whether nothing was claimed since there was nothing. */
  #hasWaited = false;
  /** Whether that was told. */
  #isIdle = false;
  #hasLeft = false;
  /** What is being given back. */
  #returning: Promise<unknown> = Promise.resolve();
  #slotFreed: () => void = () => {};

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

  /** Works until no more is to be claimed and nothing is in hand. */
  async done(): Promise<void> {
    const { ending } = this.signals;
    ending.addEventListener('abort', () => this.#end(), { once: true });
    while (!ending.aborted) {
      const wanted = this.#wanted();
      if (wanted === 0) await this.#untilSlotFreed();
      else await this.#fill(wanted);
    }
    // What the last claim has brought.
    this.#end();
    await this.#returning;
    while (this.#held.size > 0) await this.#untilSlotFreed();
  }

  /** Takes the tasks out of their handlers' hands. What a handler has ended is not given back, but settled or left to its lease. */
  abandon(): void {
    for (const held of this.#held)
      if (!held.isConcluding) held.abort(new StoppedError('The worker stops and does not wait any longer.'));
  }

  /** Lets go of everything. Returns the tasks that are left to their leases. */
  leave(): AnyDocument[] {
    this.#hasLeft = true;
    this.#idle.close();
    this.#held.close();

    return [...this.#held].map(({ task }) => task);
  }

  #end(): void {
    this.#idle.close();
    this.#giveBack(this.#prefetched.clear());
    this.#slotFreed();
  }

  /** How many tasks to claim next. The reserve is filled up when half of it was used: a claim of many costs less for each. */
  #wanted(): number {
    const { target, size } = this.#prefetched;
    const free = this.#hasSlot ? this.options.concurrency - this.#running : 0;
    if (size >= target / 2 && (size > 0 || free === 0)) return 0;

    // After a wait there is likely to be one, and the claim of one is the quickest.
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

  // Nothing may escape it: the loop ends with `stop()`, and with nothing else.
  #claim(wanted: number): Promise<Claimed> {
    return this.#claimer
      .claim(wanted, (tasks) => this.#take(tasks))
      .catch((error: unknown) => ({ count: 0, errors: [error], isFailed: true }));
  }

  #take(tasks: readonly AnyDocument[]): void {
    const held = tasks.map((task) => this.#held.take(task));
    // Nobody waits any more for this claim to end.
    if (this.#hasLeft) return this.#giveBack(held);

    this.#prefetched.add(held);
    this.#startNext();
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

  /** A task that is being settled leaves its slot to the next one, up to a limit: one that is worked on alone keeps it. */
  get #hasSlot(): boolean {
    const { concurrency } = this.options;

    return this.#running < concurrency && this.#concluding <= MAX_SETTLED_BESIDE * (concurrency - 1);
  }

  #drop(held: HeldTask, outcome: Outcome): void {
    this.#held.drop(held);
    tellOutcome(this.told, held, outcome);
  }

  /** Puts tasks back that were not started. Should that not get through, they are due when their leases end. */
  #giveBack(held: readonly HeldTask[]): void {
    for (const one of held) this.#held.drop(one);
    const returned = releaseMany(held.map(({ task }) => task)).catch((error: unknown) => this.told.report(error));
    this.#returning = Promise.all([this.#returning, returned]);
  }

  /** Tasks that end together free their slots together: one claim then serves them all. */
  async #untilSlotFreed(): Promise<void> {
    await new Promise<void>((resolve) => (this.#slotFreed = resolve));
    await nextTurn();
  }
}
