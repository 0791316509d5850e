import { Types } from 'mongoose';
import { type AnyModel, namespaceOf } from '../definition/definition';
import { knownNow } from '../server/clock';
import { perClient } from '../server/per-client';
import { isUnauthorized } from '../server/permanent';
import { NEWEST } from '../server/read';
import { monotonic } from '../timers';
import { isPlain } from '../values/writable';
import { sideOf } from './collection';

/** A process that listens for signals, and until when that is sure: a date of the server. */
interface Listener {
  readonly id: Types.ObjectId;
  readonly until: Date;
}

/** How often a process that listens says so, in milliseconds. */
export const RENEW_MS = 15_000;
/** How long that counts. */
const COUNTS_MS = 3 * RENEW_MS;
/** How long an answer to the question who listens counts, in milliseconds: who never listens asks that often, while it has something to tell. */
const ASK_MS = 2_000;
/** Each process wants to know of one that is not itself: two tell all of them. */
const ENOUGH = 2;

/** This process among listeners. */
export const SELF = new Types.ObjectId();

const LISTENERS = { _id: 'listeners' as never };

/** Says for the model's collection that this process listens, unless enough others do. */
export async function noteListener(model: AnyModel): Promise<void> {
  const known = { $cond: [{ $isArray: '$listeners' }, '$listeners', []] };
  const others = { $filter: { input: known, cond: { $ne: ['$$this.id', SELF] } } };
  const after = (ms: number) => ({ $add: ['$$NOW', ms] });
  const lasting = { $filter: { input: others, cond: { $gt: ['$$this.until', after(RENEW_MS)] } } };
  const joined = { $concatArrays: [[{ id: SELF, until: after(COUNTS_MS) }], lasting] };
  const listeners = {
    $cond: [{ $gte: [{ $size: lasting }, ENOUGH] }, '$listeners', { $slice: [joined, ENOUGH] }],
  };
  await sideOf(model).updateOne(LISTENERS, [{ $set: { listeners } }], { upsert: true, writeConcern: { w: 1 } });
}

/** What this process knows of those that listen for one collection. */
class Listeners {
  #known: readonly Listener[] = [];
  #askedAt = -Infinity;
  #asking: Promise<void> | null = null;
  #isRefused = false;

  constructor(private readonly model: AnyModel) {}

  /** Calls `then` if another process listens: at once where that is known, else after asking. */
  ifAny(then: () => void): void {
    const isKnown = this.#areThere();
    if (isKnown) then();
    if (this.#isRefused || monotonic() - this.#askedAt < ASK_MS) return;

    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    if (!isKnown) void this.#asking.then(() => this.#areThere() && then());
  }

  #areThere(): boolean {
    if (this.#known.length === 0) return false;
    const now = knownNow(this.model);

    return this.#known.some(({ id, until }) => !SELF.equals(id) && !(now && until <= now));
  }

  async #ask(): Promise<void> {
    try {
      const listeners: unknown = (await sideOf(this.model).findOne(LISTENERS, { ...NEWEST }))?.['listeners'];
      this.#known = Array.isArray(listeners) ? listeners.filter(isListener) : [];
    } catch (error) {
      // Who may not read it pushes without signals, and is found by those who look for themselves.
      this.#isRefused = isUnauthorized(error);
    }
    this.#askedAt = monotonic();
  }
}

/** Whatever else is in the list, another program has written it. */
function isListener(value: unknown): value is Listener {
  return isPlain(value) && value['id'] instanceof Types.ObjectId && value['until'] instanceof Date;
}

export const listenersOf = perClient(namespaceOf, (model) => new Listeners(model));
