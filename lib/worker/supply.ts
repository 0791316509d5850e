import { popSpread, type PopOptions } from '../claim/pop';
import type { AnyDocument } from '../definition';
import type { Source } from './options';
import { Shares } from './share';

export interface Claimed {
  /** Those of all models, in turn. */
  readonly tasks: AnyDocument[];
  readonly errors: unknown[];
  /** Whether no model could be claimed from: one that is out of order must not slow down the others. */
  readonly isFailed: boolean;
}

/** Claims tasks of one model or several. */
export class Supply {
  readonly #shares: Shares;

  constructor(
    private readonly sources: readonly Source[],
    private readonly options: PopOptions,
  ) {
    this.#shares = new Shares(sources);
  }

  /** One claim of each model for its share of what is wanted; what one model does not need goes to the others. */
  async claim(wanted: number): Promise<Claimed> {
    const open = this.sources.map(() => true);
    const claimed = this.sources.map((): AnyDocument[] => []);
    const errors: unknown[] = [];
    for (let missing = wanted; missing > 0 && open.includes(true); missing = wanted - claimed.flat().length) {
      const shares = this.#shares.divide(missing, open);
      const results = await Promise.allSettled(shares.map((share, index) => this.#claimOf(index, share)));
      results.forEach((result, index) => {
        const tasks = result.status === 'fulfilled' ? result.value : [];
        if (result.status === 'rejected') errors.push(result.reason);
        claimed[index]!.push(...tasks);
        if (tasks.length < shares[index]!) open[index] = false;
      });
    }

    return { tasks: inTurn(claimed, this.sources), errors, isFailed: errors.length === this.sources.length };
  }

  async #claimOf(index: number, share: number): Promise<AnyDocument[]> {
    return share > 0 ? popSpread(this.sources[index]!.model, share, this.options) : [];
  }
}

/** One after the other, by weight. */
function inTurn(lists: readonly AnyDocument[][], sources: readonly Source[]): AnyDocument[] {
  if (lists.length === 1) return lists[0]!;
  const placed = lists.flatMap((list, of) =>
    list.map((task, index) => ({ task, place: (index + 1) / sources[of]!.weight })),
  );

  return placed.sort((a, b) => a.place - b.place).map(({ task }) => task);
}
