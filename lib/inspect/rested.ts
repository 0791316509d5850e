import { monotonic } from '../timers';

/** What was read rests for so many times the time that it took, so that reading keeps the server busy for a thirtieth of the time. */
const REST = 30;

/** A reading that is shared by all who ask for it, and made again when it has rested. A failed one is not kept. */
export class Rested<T> {
  #known: { readonly value: T; readonly until: number } | null = null;
  #underWay: Promise<T> | null = null;
  #generation = 0;

  constructor(
    private readonly read: () => Promise<T>,
    /** What was read rests for so long at least, in milliseconds. */
    private readonly leastMs: number,
  ) {}

  async value(): Promise<T> {
    if (this.#known && monotonic() < this.#known.until) return this.#known.value;
    this.#underWay ??= this.#begin().finally(() => {
      this.#underWay = null;
    });

    return this.#underWay;
  }

  /** Has it read again when it is asked for next, because it was changed. */
  expire(): void {
    this.#generation++;
    this.#known = null;
    this.#underWay = null;
  }

  async #begin(): Promise<T> {
    const generation = this.#generation;
    const begunAt = monotonic();
    const value = await this.read();
    const endedAt = monotonic();
    if (generation === this.#generation)
      this.#known = { value, until: endedAt + Math.max(this.leastMs, REST * (endedAt - begunAt)) };

    return value;
  }
}
