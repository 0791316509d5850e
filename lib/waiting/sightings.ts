import { skip } from '../claim/skipped';
import type { AnyModel } from '../definition/definition';
import { keyOf } from '../values/id';
import type { Judgement } from './judged';

/** At most this often a look meets a task only because other processes change it at the same moment. */
const MOST = 5;

/**
 * Counts how often one look meets each task. A task that comes again and again can be neither claimed nor parked, for example because the
 * driver reads one of its values as another one: it is skipped.
 */
export class Sightings {
  readonly #counts = new Map<string, number>();

  constructor(private readonly model: AnyModel) {}

  /** Returns whether all these tasks were met too often. */
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
