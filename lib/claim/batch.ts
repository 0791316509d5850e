import { Types } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { withPatience } from '../server/patience';
import { read } from '../server/read';
import { LANDED_MS } from '../server/retry-later';
import { isTimeExpired, isUnconfirmed, persistently } from '../server/transient';
import { isBookkeeping } from '../task/bookkeeping';
import { heldBy } from '../task/held';
import { keyOf } from '../values/id';
import { isWritable } from '../values/writable';
import { claimUpdate } from './claim-update';
import { confirmHeld } from './confirm-held';
import { giveBackLater } from './give-back';
import type { ReadyQuery } from './ready';
import { Refusals } from './refusals';
import { isOfDocument, mend } from './repair';
import { MAX_WAIT_MS, PROBE_MS, skip } from './skipped';

/** Several tasks that are claimed by one update with one token, and then read by it. Each task it took is handed out or put back. */
export class Batch {
  readonly #token = new Types.ObjectId();
  readonly #refusals = new Refusals();
  #won: RawDocument[] | null = null;
  /** Whether it may have taken tasks without this process knowing it. */
  #isUncertain = false;
  /** How many tasks were updated, by the answers that arrived. */
  #updated = 0;
  private readonly ids: readonly unknown[];

  constructor(
    private readonly definition: Definition,
    private readonly query: ReadyQuery,
    ids: readonly unknown[],
  ) {
    this.ids = ids.filter(isWritable);
  }

  /** Claims the tasks that can still be claimed. When it resolves, no fail-over can take them back. */
  async writeToken(): Promise<void> {
    try {
      await this.#writeTokens();
    } catch (error) {
      this.#won = [];
      this.#putBack(this.ids);
      throw error;
    }
  }

  async readByToken(): Promise<RawDocument[]> {
    try {
      const found = await this.#findConfirmed();
      const kept = found.filter(({ _task: task }) => isBookkeeping(task));
      this.#won = inOrderOf(this.ids, kept);
      if (this.#isUncertain) this.#refuseLate();
      if (this.#updated > kept.length) await this.#mendOthers();
      return this.#won.length > 0 ? this.#won : this.#refusals.orNone([]);
    } catch (error) {
      this.#putBack(this.ids);
      throw error;
    }
  }

  async #findConfirmed(): Promise<RawDocument[]> {
    const found = await this.#find();
    if (!this.#isUncertain || found.length === 0) return found;

    // Some tasks may have been claimed by an update whose answer was lost: they count only after a confirmation.
    await this.#confirm();
    return this.#find();
  }

  #find(): Promise<RawDocument[]> {
    const { model, hidden } = this.definition;
    const filter = { _id: { $in: this.ids }, '_task.token': this.#token };

    return read(model, { filter, limit: this.ids.length, ...(hidden && { projection: hidden }) });
  }

  async #writeTokens(): Promise<void> {
    try {
      await this.#updateWithin(MAX_WAIT_MS, this.ids, this.definition.writeConcern);
      return;
    } catch (error) {
      // A task is locked, or cannot be claimed as it is, and stopped the update half-way.
      if (isTimeExpired(error) || isOfDocument(error)) await this.#probeAll();
      else if (!isUnconfirmed(error)) throw error;
    }
    await this.#confirm();
  }

  #confirm(): Promise<void> {
    return confirmHeld(this.definition, heldBy(this.definition, this.#token, this.ids), '_id_');
  }

  async #probeAll(): Promise<void> {
    for (const id of this.ids) {
      // With so many refusals in a row the fault is not the tasks'.
      if (this.#refusals.areMany) return;
      await this.#probe(id);
    }
  }

  async #probe(id: unknown): Promise<void> {
    try {
      // The write concern is awaited once, after all tries.
      await this.#updateWithin(PROBE_MS, [id], { writeConcern: { w: 1 } });
    } catch (error) {
      if (!isTimeExpired(error) && !isOfDocument(error)) throw error;
      if (isOfDocument(error) && (await mend(this.definition, id, error))) return;
      skip(this.definition.model, id);
      if (isOfDocument(error)) this.#refusals.add(error);
    }
  }

  #updateWithin(maxTimeMS: number, ids: readonly unknown[], how: object): Promise<void> {
    const { model } = this.definition;

    return withPatience({ model, ids }, maxTimeMS, (ms) => this.#update(ids, { ...how, maxTimeMS: ms }));
  }

  async #update(ids: readonly unknown[], how: object): Promise<void> {
    const { definition } = this;
    // Leaves out tasks that have this token already: their leases may have ended while the first try was under way.
    const among: Filter = { ...this.query.filter, _id: { $in: ids }, '_task.token': { $ne: this.#token } };
    const update = claimUpdate(definition, this.#token);
    await persistently(
      async (again) => {
        this.#isUncertain ||= again;
        const { modifiedCount } = await collectionOf(definition.model).updateMany(among, update, {
          hint: '_id_',
          ...how,
        });
        this.#updated += modifiedCount;
      },
      () => this.#refuseLate(),
    );
  }

  /** Mends tasks that were updated although their bookkeeping is of a type that holds no lease. */
  async #mendOthers(): Promise<void> {
    const won = new Set(this.#won!.map(({ _id }) => keyOf(_id)));
    for (const id of this.ids) if (!won.has(keyOf(id))) await mend(this.definition, id);
  }

  /** Called when the server has carried out an update that was given up: tasks that were not read go back. */
  #refuseLate(): void {
    if (!this.#won) return;
    const won = new Set(this.#won.map(({ _id }) => keyOf(_id)));
    this.#putBack(this.ids.filter((id) => !won.has(keyOf(id))));
  }

  #putBack(ids: readonly unknown[]): void {
    const afterMs = this.#isUncertain ? LANDED_MS : 0;
    giveBackLater(this.definition, heldBy(this.definition, this.#token, ids), { afterMs });
  }
}

function inOrderOf(ids: readonly unknown[], documents: RawDocument[]): RawDocument[] {
  // Pushed by one process they are read in this order: then no names have to be made for them.
  if (documents.every(({ _id }, index) => _id instanceof Types.ObjectId && _id.equals(ids[index] as Types.ObjectId)))
    return documents;
  const byId = new Map(documents.map((document) => [keyOf(document._id), document]));

  return ids.flatMap((id) => byId.get(keyOf(id)) ?? []);
}
