import type { AnyDocument } from '../definition/definition';
import { popInParts, type PopOptions } from '../pop/pop';
import type { TellFailed } from '../task/tell-failed';
import type { Source } from './options';
import { WeightedRoundRobin } from './round-robin';

export interface Claimed {
  readonly count: number;
  readonly errors: unknown[];
  /** Whether the claim failed for every model: one broken model must not slow down the others. */
  readonly isFailed: boolean;
}

type Take = (tasks: AnyDocument[]) => void;

/** Claims tasks of one model or several. */
export class Claimer {
  readonly #shares: WeightedRoundRobin;

  constructor(
    private readonly sources: readonly Source[],
    private readonly options: PopOptions,
    private readonly tell: TellFailed,
  ) {
    this.#shares = new WeightedRoundRobin(sources);
  }

  /**
   * Claims up to `wanted` tasks, from each model its share; what one model does not use goes to the others. With one model the tasks
   * are handed over as they come, with several in turn.
   */
  async claim(wanted: number, take: Take): Promise<Claimed> {
    if (this.sources.length === 1) return this.#claimShares(wanted, (tasks) => take(tasks));

    const claimed = this.sources.map((): AnyDocument[] => []);
    const result = await this.#claimShares(wanted, (tasks, index) => void claimed[index]!.push(...tasks));
    take(inTurn(claimed, this.sources));
    return result;
  }

  async #claimShares(wanted: number, take: (tasks: AnyDocument[], index: number) => void): Promise<Claimed> {
    const open = this.sources.map(() => true);
    const errors: unknown[] = [];
    let count = 0;
    while (count < wanted && open.includes(true)) {
      const shares = this.#shares.divide(wanted - count, open);
      const takeOf = (index: number) => (tasks: AnyDocument[]) => {
        count += tasks.length;
        take(tasks, index);
      };
      const results = await Promise.allSettled(
        shares.map((share, index) => this.#claimShare(index, share, takeOf(index))),
      );
      results.forEach((result, index) => {
        if (result.status === 'rejected') errors.push(result.reason);
        if (result.status === 'rejected' || result.value < shares[index]!) open[index] = false;
      });
    }

    return { count, errors, isFailed: errors.length === this.sources.length };
  }

  async #claimShare(index: number, share: number, take: Take): Promise<number> {
    return share > 0 ? popInParts(this.sources[index]!.model, share, this.options, take, this.tell) : 0;
  }
}

/** Mixes the tasks of several models by weight, so that the models take turns. */
function inTurn(lists: readonly AnyDocument[][], sources: readonly Source[]): AnyDocument[] {
  const placed = lists.flatMap((list, of) =>
    list.map((task, index) => ({ task, place: (index + 1) / sources[of]!.weight })),
  );

  return placed.sort((a, b) => a.place - b.place).map(({ task }) => task);
}
