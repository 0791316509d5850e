import { Types, type mongo } from 'mongoose';
import { notBlocked, passOver } from './blocked';
import { serverNow } from '../clock';
import { hasDependencies } from '../dependencies/references';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { State } from '../fields';
import { keyOf } from '../id';
import { choiceOf, noteCrowd, someOf } from './crowd';
import type { ReadyQuery } from './ready';
import { takeoverAt } from './takeover';
import { isTimeExpired, persistently } from '../transient';

/** How long a claim waits for a document that an open transaction has written, in milliseconds. */
const MAX_WAIT_MS = 200;
/** The same for each of its neighbours, once one was found to be blocked. */
const PROBE_MS = 50;
/** How long ago a claim may have been made whose answer was lost, in milliseconds: longer than the driver waits for one. */
const RECENT_MS = 120_000;
/** Neighbours that are tried. */
const WINDOW = 32;

/**
 * Takes up to `limit` ready tasks: of several, their ids are read, updated with one token, and what was won is read by it. It
 * returns fewer only when no more are ready, not when others were faster. With `isSpread` it goes out of the way of others who claim
 * at the same moment, at the price of the order.
 */
export async function claimMany(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  isSpread = false,
): Promise<RawDocument[]> {
  if (limit === 1) return [await claimOne(definition, query)].filter((task) => task !== null);

  const won: RawDocument[] = [];
  while (won.length < limit) {
    const wanted = limit - won.length;
    const found = await candidateIds(definition, query, isSpread ? wanted * choiceOf(definition) : wanted);
    if (found.length === 0) break;

    const ids = someOf(found, wanted);
    const claimed = await claimIds(definition, query, ids);
    won.push(...claimed);
    noteCrowd(definition, claimed.length / ids.length);
    if (found.length < wanted && claimed.length === ids.length) break;
  }

  return won;
}

/** The first tasks that can be claimed now, in claim order, with the fields of a projection. */
export async function candidates(
  { model }: Definition,
  query: ReadyQuery,
  limit: number,
  projection: Readonly<Record<string, 1>>,
): Promise<RawDocument[]> {
  return collectionOf(model)
    .find(
      { ...query.filter, ...notBlocked(model) },
      { projection, sort: query.order, limit, batchSize: limit + 1, hint: query.hint, readPreference: 'primary' },
    )
    .toArray();
}

/** The ids of the first tasks that can be claimed now, in claim order. */
export async function candidateIds(definition: Definition, query: ReadyQuery, limit: number): Promise<unknown[]> {
  const found = await candidates(definition, query, limit, { _id: 1 });

  return found.map(({ _id }) => _id as unknown);
}

/** Takes the next ready task in one atomic update. */
export async function claimOne(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  try {
    return await claimMatching(definition, query, notBlocked(definition.model), MAX_WAIT_MS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;

    return claimPastBlocked(definition, query);
  }
}

// An open transaction holds the head of the queue: what comes after it is tried one by one.
async function claimPastBlocked(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  for (;;) {
    const ids = await candidateIds(definition, query, WINDOW);
    if (ids.length === 0) return null;
    for (const _id of ids) {
      try {
        const claimed = await claimMatching(definition, query, { _id }, PROBE_MS);
        if (claimed) return claimed;
      } catch (error) {
        if (!isTimeExpired(error)) throw error;
        passOver(definition.model, _id);
      }
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

async function readClaimed(
  { model, hidden }: Definition,
  ids: readonly unknown[],
  token: Types.ObjectId,
): Promise<RawDocument[]> {
  return collectionOf(model)
    .find(
      { _id: { $in: ids as never[] }, '_task.token': token },
      { ...(hidden && { projection: hidden }), batchSize: ids.length + 1, readPreference: 'primary' },
    )
    .toArray();
}

/** Takes those of the tasks that can still be claimed, with one token for all of them. */
export async function claimIds(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
): Promise<RawDocument[]> {
  const token = new Types.ObjectId();
  try {
    await claimAmong(definition, query, ids, token, MAX_WAIT_MS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    // One of them is blocked, and stopped the update somewhere on its way.
    for (const id of ids) await probe(definition, query, id, token);
  }

  return inOrderOf(ids, await persistently(() => readClaimed(definition, ids, token)));
}

/** Puts tasks of one claim back as if they had not been claimed. */
export async function giveBack(
  { model, options, writeConcern }: Definition,
  ids: readonly unknown[],
  token: Types.ObjectId,
): Promise<void> {
  const held: Filter = { _id: { $in: ids }, '_task.token': token, [options.fields.state]: State.RUNNING };
  const returned = {
    [options.fields.state]: State.CREATED,
    '_task.availableAt': '$_task.dueAt',
    '_task.attempts': { $subtract: ['$_task.attempts', 1] },
  };
  await collectionOf(model).updateMany(held, [{ $set: returned }], writeConcern);
}

async function claimAmong(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
  token: Types.ObjectId,
  maxTimeMS: number,
): Promise<void> {
  // Not those this token has already, whose leases may have ended while the first try was under way.
  const among: Filter = { ...query.filter, _id: { $in: ids }, '_task.token': { $ne: token } };
  const options = { hint: '_id_', maxTimeMS, ...definition.writeConcern };
  await persistently(() => collectionOf(definition.model).updateMany(among, claimUpdate(definition, token), options));
}

async function probe(definition: Definition, query: ReadyQuery, id: unknown, token: Types.ObjectId): Promise<void> {
  try {
    await claimAmong(definition, query, [id], token, PROBE_MS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    passOver(definition.model, id);
  }
}

/**
 * What a claim writes; it is on the way of every task, so it is kept small. A task whose lease ended and that has used its
 * attempts is claimed once more, and its claimer fails it. A CREATED one that has used them was put back by hand and starts again
 * at 1.
 */
function claimUpdate({ model, options }: Definition, token: Types.ObjectId): mongo.Document[] {
  const { state } = options.fields;
  const isPutBack = {
    $and: [{ $gte: ['$_task.attempts', options.maxAttempts] }, { $ne: [`$${state}`, State.RUNNING] }],
  };
  // A sum takes a field that is not there for 0.
  const next = { $sum: ['$_task.attempts', 1] };
  const claimed = {
    [state]: State.RUNNING,
    '_task.token': token,
    '_task.availableAt': takeoverAt({ $sum: '$_task.attempts' }, options),
    '_task.attempts': { $cond: [isPutBack, 1, next] },
    '_task.claims': { $sum: ['$_task.claims', 1] },
    '_task.startedAt': '$$NOW',
  };

  return hasDependencies(model) ? [{ $set: claimed }, { $unset: PARKING }] : [{ $set: claimed }];
}

const PARKING = ['_task.waitingOn', '_task.recheckAt', '_task.doomedBy'];

function inOrderOf(ids: readonly unknown[], documents: readonly RawDocument[]): RawDocument[] {
  const byId = new Map(documents.map((document) => [keyOf(document._id), document]));

  return ids.flatMap((id) => byId.get(keyOf(id)) ?? []);
}
