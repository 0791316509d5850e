import type { AnyModel, RawDocument } from '../any';
import { valueAt } from '../dependencies/condition';
import type { Bookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import type { BlockedBy, BlockingDocument } from '../waiting/blocked-by';

/** At most so many documents that a task waits for are looked up. */
const MOST = 20;

/**
 * What a parked task waits for, where its schema is not known: the indexes of marks tell in which collections the documents are, and
 * which of their fields decide.
 */
export async function foundBlockers(model: AnyModel, { waitingOn = [] }: Bookkeeping): Promise<BlockedBy[]> {
  const some = [...new Map(waitingOn.map((one) => [keyOf(one.id), one])).values()].slice(0, MOST);
  if (some.length === 0) return [];
  const places = await placesOf(model, new Set(some.map(({ mark }) => mark)));
  const documents = await Promise.all(some.map(({ mark, id }) => describe(model, places.get(mark), id)));

  return [{ path: null, type: 'ALL_OF', documents, cycle: null }];
}

interface Place {
  readonly collection: string;
  readonly fields: readonly string[];
}

async function placesOf({ db }: AnyModel, marks: ReadonlySet<string>): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  const all = await db.db!.listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
  for (const { name: collection } of all) {
    if (places.size === marks.size) break;
    if (collection.startsWith('system.')) continue;
    for (const { name = '', key } of await db.db!.collection(collection).indexes()) {
      const mark = name.replace(/^task_outbox_/, '');
      const fields = Object.keys(key).filter((one) => !one.startsWith('_task.'));
      if (mark !== name && marks.has(mark)) places.set(mark, { collection, fields });
    }
  }

  return places;
}

async function describe({ db }: AnyModel, place: Place | undefined, id: unknown): Promise<BlockingDocument> {
  if (!place) return { model: 'a document of an unknown collection,', id, standing: 'unmet', values: null };
  const { collection: model, fields } = place;
  const found = (await db.db!.collection(model).findOne({ _id: { $eq: id } as never })) as RawDocument | null;
  if (!found) return { model, id, standing: 'missing', values: null };

  return {
    model,
    id,
    standing: 'unmet',
    values: Object.fromEntries(fields.map((name) => [name, valueAt(found, name)])),
  };
}
