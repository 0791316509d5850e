import { Refusal } from './answer';

const MAX_WAITING = 100;

/** Lets few requests to the database at once, whoever asks, and however often. */
export class Turnstile {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param atOnce So many are inside at once; the others wait for their turn. */
  constructor(private readonly atOnce: number) {}

  /** Runs `work` when it is its turn. @throws {Refusal} when too many wait. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.atOnce) await this.#turn();
    else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Who comes next takes the place.
      if (next) next();
      else this.#inside--;
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING)
      throw new Refusal(503, 'busy', 'Too many ask at once. Try again in a moment.', { 'retry-after': '2' });

    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
