import { mongo, Types } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { serverNow } from '../server/clock';
import { isUnreadable, leniently, NEWEST } from '../server/read';
import { LANDED_MS } from '../server/retry-later';
import { isUnconfirmed } from '../server/transient';
import type { Bookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import { claimUpdate } from './claim-update';
import { confirmHeld } from './confirm-held';
import { giveBackLater } from './give-back';
import type { ReadyQuery } from './ready';

/** How long ago a claim without an answer may have been made, in milliseconds: longer than all its tries together. */
const RECENT_MS = 400_000;
/** Bounds the index to leases that have not ended. */
const HELD_NOW = { $expr: { $gt: ['$_task.availableAt', '$$NOW'] } };

/** One attempt to claim one task, by a token of its own. Each task it took is handed out or put back. */
export class Single {
  settled: RawDocument | null = null;
  /** Whether it may have taken a task without this process knowing it. */
  #isUncertain = false;
  #hasEnded = false;

  constructor(
    private readonly definition: Definition,
    private readonly query: ReadyQuery,
    private readonly token: Types.ObjectId,
  ) {}

  async take(extra: Filter, maxTimeMS: number, again: boolean): Promise<RawDocument | null> {
    this.#isUncertain ||= again;
    let taken = again ? await this.#findConfirmed() : null;
    while (!taken) {
      try {
        return await this.#update(extra, maxTimeMS);
      } catch (error) {
        const isUnread = isUnreadable(error);
        if (isUnconfirmed(error)) {
          if (hasTakenNone(error)) return null;
        } else {
          // The update was applied; only its acknowledgement failed.
          this.#isUncertain ||= error instanceof mongo.MongoWriteConcernError;
          if (!isUnread) throw error;
        }
        // What a rollback has taken back, or somebody has taken over, is not found: another is taken.
        taken = await this.#findConfirmed();
        // Its bookkeeping may be of a type that holds no lease: then it can be claimed again and again, until it is mended.
        if (!taken && isUnread) throw error;
      }
    }

    return taken;
  }

  /** Whether the task has the lease: its bookkeeping may be of a type that holds none. */
  isKept({ _task: task }: RawDocument): boolean {
    return (task as Bookkeeping | undefined)?.token?.equals(this.token) ?? false;
  }

  /** Called with the answer of a try that was given up: the task it took goes back. */
  refuse(late: RawDocument | null): void {
    // Before `end()` the task is found by its token.
    if (!this.#hasEnded) return;
    if (late && keyOf(late._id) !== keyOf(this.settled?._id)) this.#putBack({ _id: late._id }, '_id_');
  }

  /** Puts back tasks that a try without an answer took, or may still take: else they are held until their leases end. */
  end(): void {
    this.#hasEnded = true;
    if (!this.#isUncertain) return;
    const { settled } = this;
    // A claim by id can take no other task.
    if (settled && '_id' in this.#live) return;
    this.#putBack(
      { ...this.#live, ...HELD_NOW, ...(settled && { _id: { $ne: settled._id } }) },
      this.query.hint,
      LANDED_MS,
    );
  }

  #putBack(filter: Filter, hint: string, afterMs = 0): void {
    giveBackLater(this.definition, this.#held(filter), { hint, afterMs });
  }

  #held(filter: Filter): Filter {
    const { state } = this.definition.options.fields;

    return { ...filter, [state]: State.RUNNING, '_task.token': this.token };
  }

  /** The filter of the query, whatever the due time. */
  get #live(): Filter {
    const { $expr: _, ...live } = this.query.filter;

    return live;
  }

  /**
   * With a hint and no sort the server walks on to the next index entry after a lost race, where a sort would make it start
   * again; the hinted index is in claim order either way.
   */
  #update(extra: Filter, maxTimeMS: number): Promise<RawDocument | null> {
    const { definition, query, token } = this;
    const { model, hidden, writeConcern } = definition;

    return collectionOf(model).findOneAndUpdate({ ...query.filter, ...extra }, claimUpdate(definition, token), {
      // The driver's type knows only key patterns here; the server takes a name as well.
      hint: query.hint as unknown as mongo.Document,
      ...(query.mustSort && { sort: query.order }),
      maxTimeMS,
      ...(hidden && { projection: hidden }),
      returnDocument: 'after',
      ...writeConcern,
    });
  }

  /** The task that was taken although the answer was lost or came too late. It counts once no fail-over can take it back. */
  async #findConfirmed(): Promise<RawDocument | null> {
    let found: RawDocument | null = null;
    try {
      await this.#confirm();
      if (!(await this.#find())) return null;

      // The update may have been carried out only after that confirmation.
      await this.#confirm();
      found = await this.#find();
      return found;
    } finally {
      this.#isUncertain ||= !found;
    }
  }

  #confirm(): Promise<void> {
    return confirmHeld(this.definition, this.#held(this.#live), this.query.hint);
  }

  async #find(): Promise<RawDocument | null> {
    const { model, hidden, options } = this.definition;
    // Only leases that began recently, so that the index is not scanned for all others.
    const now = await serverNow(model);
    const recent = { $gte: new Date(now.getTime() + options.leaseMs - RECENT_MS) };

    return leniently(model, (how) =>
      collectionOf(model).findOne(
        { ...this.#live, '_task.availableAt': recent, '_task.token': this.token },
        { hint: this.query.hint, ...(hidden && { projection: hidden }), ...NEWEST, ...how },
      ),
    );
  }
}

/** Whether a claim found nothing that it could take: then there is nothing whose write concern is to be waited for. */
function hasTakenNone(error: unknown): boolean {
  return (error as { result?: { value?: unknown } }).result?.value === null;
}
