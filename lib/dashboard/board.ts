import type { AnyModel } from '../definition/definition';
import { type LookedAt, lookAt } from '../inspect/queue';
import { Rested } from '../inspect/rested';
import { Hub } from './hub';
import type { ResolvedDashboard } from './options';
import { Turnstile } from './turnstile';

/** What was read is shared for so long at least, in milliseconds. */
const SHARED_MS = 1_000;
const MAX_SHARED = 200;

/**
 * What all requests to one dashboard have in common. A turn is taken for the database alone, after the rights are known: an `authorize` that
 * is slow, or a stranger who asks often, keeps nobody else waiting.
 */
export class Board {
  readonly reading = new Turnstile(4);
  /** Apart, because an action on many tasks takes long. */
  readonly writing = new Turnstile(2);
  readonly hub: Hub;
  readonly #queues = new Map<AnyModel, Rested<LookedAt>>();
  readonly #shared = new Map<string, Rested<unknown>>();

  constructor(readonly options: ResolvedDashboard) {
    const { view } = options;
    this.hub = new Hub(view.models);
    for (const model of view.models) this.#queues.set(model, new Rested(() => lookAt(view, model), SHARED_MS));
  }

  /** What is shown of a queue at first: read once for all who look. */
  queue(model: AnyModel): Promise<LookedAt> {
    return this.#queues.get(model)!.value();
  }

  /** What was read under a name, or is read now: once for all who ask for the same. It must be the same for all of them. */
  shared<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = (this.#shared.get(name) as Rested<T> | undefined) ?? new Rested(read, SHARED_MS);
    // What was asked for last is forgotten last.
    this.#shared.delete(name);
    this.#shared.set(name, known);
    for (const oldest of this.#shared.keys()) {
      if (this.#shared.size <= MAX_SHARED) break;
      this.#shared.delete(oldest);
    }

    return known.value();
  }

  /** Has everything read again: something was changed here. */
  expire(): void {
    this.#shared.clear();
    for (const queue of this.#queues.values()) queue.expire();
  }
}
