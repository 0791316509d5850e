import type { Source } from './options';

/**
 * Divides slots among sources by their weights: smooth weighted round-robin, as in nginx. Each slot goes to the source that is
 * owed most, so none starves, and bursts of one source are spread.
 *
 * @see https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35
 */
export class WeightedRoundRobin {
  readonly #owed: number[];
  readonly #total: number;

  constructor(private readonly sources: readonly Pick<Source, 'weight'>[]) {
    this.#owed = sources.map(() => 0);
    this.#total = sources.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** Divides `slots` among the sources that are `open`. Returns the number of slots of each source. */
  divide(slots: number, open: readonly boolean[]): number[] {
    const given = this.sources.map(() => 0);
    for (let slot = 0; slot < slots && open.includes(true); slot++) given[this.#next(open)]!++;

    return given;
  }

  #next(open: readonly boolean[]): number {
    let best = -1;
    this.sources.forEach(({ weight }, index) => {
      if (!open[index]) return;
      this.#owed[index]! += weight;
      if (best === -1 || this.#owed[index]! > this.#owed[best]!) best = index;
    });
    this.#owed[best]! -= open.every(Boolean)
      ? this.#total
      : this.sources.reduce((sum, { weight }, index) => sum + (open[index] ? weight : 0), 0);

    return best;
  }
}
