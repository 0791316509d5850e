import { clearInterval, setInterval } from '../timers';
import type { HeldTask } from './held-task';

const MAX_LOOK_MS = 1_000;

/** Tells of handlers that take long, once for each attempt. One timer watches all of them, and only while there are some. */
export class SlowWatch {
  #timer: NodeJS.Timeout | null = null;
  readonly #running = new Set<HeldTask>();

  constructor(
    private readonly slowMs: number,
    private readonly tell: (held: HeldTask, ms: number) => void,
  ) {}

  began(held: HeldTask): void {
    this.#running.add(held);
    this.#timer ??= setInterval(() => this.#look(), Math.max(1, Math.min(MAX_LOOK_MS, this.slowMs / 4)));
    this.#timer.unref();
  }

  ended(held: HeldTask): void {
    this.#running.delete(held);
    if (this.#running.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer ?? undefined);
    this.#timer = null;
    this.#running.clear();
  }

  #look(): void {
    for (const held of this.#running) {
      const ms = held.ranMs ?? 0;
      if (ms < this.slowMs) continue;
      this.#running.delete(held);
      this.tell(held, Math.round(ms));
    }
    if (this.#running.size === 0) this.close();
  }
}
