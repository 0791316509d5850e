import type { AnyModel } from '../definition/definition';
import { onControl } from '../side/control';
import { hearControl } from '../side/control-stream';
import { isHeldBack } from '../side/pause';
import { clearTimeout, setTimeout } from '../timers';
import type { HeldTask } from './held-task';
import { AHEAD_MS, STALE_MS } from './limits';
import { isAnyPaused } from './status';

/** The weight of the newest task in the moving average. */
const WEIGHT = 0.1;

/**
 * Claimed tasks that wait for a free slot: only as many as this worker can start within AHEAD_MS at its pace, so that no task is kept
 * from another worker that would start it sooner.
 */
export class PrefetchBuffer {
  #held: HeldTask[] = [];
  #meanMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #models: readonly AnyModel[] = [];
  #stops: readonly (() => void)[] = [];

  constructor(
    private readonly concurrency: number,
    private readonly max: number,
    private readonly giveBack: (held: readonly HeldTask[]) => void,
  ) {}

  get size(): number {
    return this.#held.length;
  }

  /** How many tasks the buffer should hold; 0 until the first task has ended. */
  get target(): number {
    if (this.#meanMs === null) return 0;

    return Math.min(this.max, Math.floor((this.concurrency * AHEAD_MS) / Math.max(this.#meanMs, 0.01)));
  }

  /** Notes how long a task took with its settle, in milliseconds. */
  took(ms: number): void {
    this.#meanMs = this.#meanMs === null ? ms : this.#meanMs + WEIGHT * (ms - this.#meanMs);
  }

  add(held: readonly HeldTask[]): void {
    this.#held.push(...held);
    this.#holdBack();
    this.#watch();
  }

  // Claimed before the pause was heard of, and not begun.
  #holdBack(): void {
    if (!isAnyPaused(this.#models)) return;
    const out = this.#held.filter(({ task }) => isHeldBack(task));
    if (out.length === 0) return;
    this.#held = this.#held.filter((held) => !out.includes(held));
    this.giveBack(out);
  }

  /** How many tasks to claim, with that many free slots. It is refilled when half of it was used: a big claim costs less per task. */
  wanted(free: number): number {
    const { target, size } = this;
    if (size >= target / 2 && (size > 0 || free === 0)) return 0;

    return Math.max(0, free + target - size);
  }

  next(): HeldTask | undefined {
    const next = this.#held.shift();
    this.#timer?.refresh();

    return next;
  }

  /** Takes a task out of the buffer. Returns whether it was there. */
  remove(held: HeldTask): boolean {
    const index = this.#held.indexOf(held);
    if (index >= 0) this.#held.splice(index, 1);

    return index >= 0;
  }

  /** Gives back tasks of a pause as soon as it is heard of, until `close()`. */
  heedPauses(models: readonly AnyModel[], usesChangeStreams: boolean): void {
    this.#models = models;
    this.#stops = [
      ...models.map((model) => onControl(model, () => this.#holdBack())),
      ...(usesChangeStreams ? models.map(hearControl) : []),
    ];
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  /** Empties the buffer and returns its tasks. */
  clear(): HeldTask[] {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;

    return this.#held.splice(0);
  }

  #watch(): void {
    if (this.#held.length === 0 || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#meanMs = null;
      const stale = this.clear();
      if (stale.length > 0) this.giveBack(stale);
    }, STALE_MS);
  }
}
