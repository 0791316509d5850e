import { Types, type mongo } from 'mongoose';
import { MAX_WAIT_MS, notBlocked, passOver, PROBE_MS } from './blocked';
import { candidateIds } from './candidates';
import { claimUpdate } from './claim-update';
import { serverNow } from '../clock';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import type { ReadyQuery } from './ready';
import { isTimeExpired, persistently } from '../transient';

/** How long ago a claim may have been made whose answer was lost, in milliseconds: longer than the driver waits for one. */
const RECENT_MS = 120_000;
/** Neighbours that are tried. */
const WINDOW = 32;

/** Takes the next ready task in one atomic update. */
export async function claimOne(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  try {
    return await claimMatching(definition, query, notBlocked(definition.model), MAX_WAIT_MS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;

    return claimPastBlocked(definition, query);
  }
}

/** Takes this task if it can be claimed now. One that is blocked for longer is passed over. */
export async function claimById(
  definition: Definition,
  query: ReadyQuery,
  _id: unknown,
  maxTimeMS = MAX_WAIT_MS,
): Promise<RawDocument | null> {
  try {
    const one = { ...query, filter: { ...query.filter, _id }, hint: '_id_', mustSort: false };
    return await claimMatching(definition, one, {}, maxTimeMS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    passOver(definition.model, _id);

    return null;
  }
}

// An open transaction holds the head of the queue: what comes after it is tried one by one.
async function claimPastBlocked(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  for (;;) {
    const ids = await candidateIds(definition, query, WINDOW);
    if (ids.length === 0) return null;
    for (const _id of ids) {
      const claimed = await claimById(definition, query, _id, PROBE_MS);
      if (claimed) return claimed;
    }
  }
}

/**
 * With a hint and no sort the server walks on to the next index entry after a lost race, where a sort would make it start
 * again; the hinted index is in claim order either way.
 */
async function claimMatching(
  definition: Definition,
  query: ReadyQuery,
  extra: Filter,
  maxTimeMS: number,
): Promise<RawDocument | null> {
  const token = new Types.ObjectId();

  return persistently(async (again) => {
    const earlier = again ? await findClaimed(definition, query, token) : null;
    if (earlier) return earlier;

    return collectionOf(definition.model).findOneAndUpdate(
      { ...query.filter, ...extra },
      claimUpdate(definition, token),
      {
        // The driver's type knows only key patterns here; the server takes a name as well.
        hint: query.hint as unknown as mongo.Document,
        ...(query.mustSort && { sort: query.order }),
        maxTimeMS,
        ...(definition.hidden && { projection: definition.hidden }),
        returnDocument: 'after',
        ...definition.writeConcern,
      },
    );
  });
}

// A claim whose answer was lost may have been carried out: its token tells.
async function findClaimed(
  definition: Definition,
  query: ReadyQuery,
  token: Types.ObjectId,
): Promise<RawDocument | null> {
  const { $expr: _, ...live } = query.filter;
  // Only leases that began a moment ago: the index need not be walked through for all the others.
  const now = await serverNow(definition.model);
  const recent = { $gte: new Date(now.getTime() + definition.options.leaseMs - RECENT_MS) };

  return collectionOf(definition.model).findOne(
    { ...live, '_task.availableAt': recent, '_task.token': token },
    { hint: query.hint, ...(definition.hidden && { projection: definition.hidden }), readPreference: 'primary' },
  );
}
