import type { mongo, Types } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { isPlain } from '../values/writable';

/** A document of a side collection: the control document, a worker's beat, or a minute of history. */
export interface SideDocument extends mongo.Document {
  _id?: unknown;
}

/** What operators have set for a collection, and what its processes have to know of each other. */
export interface Control {
  readonly pauses: readonly PauseEntry[];
  /** Changes with every request to cancel tasks. */
  readonly cancelled: Types.ObjectId | null;
  /** Features that need something from those who work the queue, once they were used. */
  readonly uses: readonly string[];
}

/** One pause: of the whole collection, or of a category, a kind, or both. */
export interface PauseEntry {
  readonly category: string | null;
  /** The value of the discriminator key; null for a pause of all kinds. */
  readonly kind: unknown;
  readonly reason?: string;
  readonly since: Date;
}

export const NO_CONTROL: Control = { pauses: [], cancelled: null, uses: [] };

/** The one document that every process looks at. */
export const CONTROL = { _id: 'control' as never };

/**
 * The collection beside a model's own, `<collection>.queue`, made by its first write. It is taken from Mongoose's connection, so that its
 * operations wait for a connection as those of the model do.
 */
export function sideOf({ db, collection }: AnyModel): mongo.Collection<SideDocument> {
  const { opts } = collection as unknown as { opts?: { schemaUserProvidedOptions?: object } };
  const options = { schemaUserProvidedOptions: opts?.schemaUserProvidedOptions ?? {} };

  return db.collection(`${collection.name}.queue`, options as object) as unknown as mongo.Collection<SideDocument>;
}

export function controlIn(stored: SideDocument | null): Control {
  const { pauses, cancelled, uses } = (stored ?? {}) as Partial<Control>;
  if (stored === null) return NO_CONTROL;

  return {
    pauses: Array.isArray(pauses) ? (pauses as readonly unknown[]).filter(isPause) : [],
    cancelled: cancelled ?? null,
    uses: Array.isArray(uses) ? (uses as readonly string[]) : [],
  };
}

/** Whatever else is in the list, another program has written it. */
function isPause(value: unknown): value is PauseEntry {
  return isPlain(value) && value['since'] instanceof Date && ['string', 'object'].includes(typeof value['category']);
}
