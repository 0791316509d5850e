import { skip } from '../claim/skipped';
import type { AnyModel } from '../definition/definition';
import { keyOf } from '../values/id';
import type { Judgement } from './judged';

/** So often one look may meet a task that others change at the same moment. */
const MOST = 5;

/**
 * Tasks that one look has met. One that comes again and again can be neither claimed nor set aside, for example because it holds what
 * the driver reads as something else: it is passed over.
 */
export class Sightings {
  readonly #counts = new Map<string, number>();

  constructor(private readonly model: AnyModel) {}

  /** Returns whether only such tasks are left. */
  note(judgements: readonly Judgement[]): boolean {
    const counts = judgements.map(({ task }) => this.#count(task._id));

    return counts.length > 0 && counts.every((count) => count > MOST);
  }

  #count(id: unknown): number {
    const count = (this.#counts.get(keyOf(id)) ?? 0) + 1;
    this.#counts.set(keyOf(id), count);
    if (count === MOST) skip(this.model, id);

    return count;
  }
}
