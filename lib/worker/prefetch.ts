import { clearTimeout, setTimeout } from '../timers';
import type { HeldTask } from './held-task';

/** Work that is held ready, as the time in which it will be started, in milliseconds. */
const AHEAD_MS = 50;
/** After so long without a free slot it is given back, in milliseconds: the tasks in hand take longer than those before. */
const STALE_MS = 1_000;
/** What the newest task counts in the mean. */
const WEIGHT = 0.1;

/**
 * Tasks that are claimed and wait for a free slot. There are as many as the worker can start in a moment at its pace, so that
 * none is kept from another worker who would start it sooner.
 */
export class PrefetchBuffer {
  #held: HeldTask[] = [];
  #meanMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly concurrency: number,
    private readonly max: number,
    private readonly giveBack: (held: readonly HeldTask[]) => void,
  ) {}

  get size(): number {
    return this.#held.length;
  }

  /** How many there should be. None before the first task has ended. */
  get target(): number {
    if (this.#meanMs === null) return 0;

    return Math.min(this.max, Math.floor((this.concurrency * AHEAD_MS) / Math.max(this.#meanMs, 0.01)));
  }

  /** Tells how long a task has had a slot, in milliseconds. */
  took(ms: number): void {
    this.#meanMs = this.#meanMs === null ? ms : this.#meanMs + WEIGHT * (ms - this.#meanMs);
  }

  add(held: readonly HeldTask[]): void {
    this.#held.push(...held);
    this.#watch();
  }

  next(): HeldTask | undefined {
    const next = this.#held.shift();
    this.#timer?.refresh();

    return next;
  }

  /** Empties it. */
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
