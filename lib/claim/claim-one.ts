import { Types } from 'mongoose';
import type { Definition, Filter, RawDocument } from '../definition/definition';
import { withPatience } from '../server/patience';
import { isUnreadable } from '../server/read';
import { isTimeExpired, persistently } from '../server/transient';
import { isWritable } from '../values/writable';
import { candidateIds } from './candidates';
import type { ReadyQuery } from './ready';
import { Refusals } from './refusals';
import { isOfDocument, mend, mendNext } from './repair';
import { Single } from './single';
import { MAX_WAIT_MS, notSkipped, PROBE_MS, skip } from './skipped';
import { Tried } from './tried';

/** At most this many candidates are read at a time when the head of the queue cannot be claimed. */
const WINDOW = 32;

/** Takes the next ready task in one atomic update. */
export async function claimOne(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  try {
    return await claimMatching(definition, query, notSkipped(definition.model), MAX_WAIT_MS);
  } catch (error) {
    if (!isTimeExpired(error) && !isOfDocument(error)) throw error;

    return claimBehind(definition, query);
  }
}

/** Claims this task if it is ready. A task that is locked for longer, or cannot be claimed as it is, is skipped. */
export async function claimById(
  definition: Definition,
  query: ReadyQuery,
  _id: unknown,
  maxTimeMS = MAX_WAIT_MS,
): Promise<RawDocument | null> {
  if (!isWritable(_id)) return null;
  try {
    return await withPatience({ model: definition.model, ids: [_id] }, maxTimeMS, (ms) =>
      claimThis(definition, query, _id, ms),
    );
  } catch (error) {
    if (isTimeExpired(error)) skip(definition.model, _id);
    else if (!isOfDocument(error) || !(await isMended(definition, _id, error))) throw error;

    return null;
  }
}

function claimThis(definition: Definition, query: ReadyQuery, _id: unknown, maxTimeMS: number) {
  const one = { ...query, filter: { ...query.filter, _id }, hint: '_id_', mustSort: false };

  return claimMatching(definition, one, {}, maxTimeMS);
}

// The head of the queue is locked by an open transaction, or cannot be claimed as it is: what comes after it is tried one by one.
async function claimBehind(definition: Definition, query: ReadyQuery): Promise<RawDocument | null> {
  const refusals = new Refusals();
  const tried = new Tried();
  for (;;) {
    const ids = await candidateIds(definition, query, WINDOW);
    if (ids.length === 0 || tried.hadAll(ids)) return refusals.orNone(null);
    for (const _id of ids) {
      const claimed = await refusals.unlessRefused(claimById(definition, query, _id, PROBE_MS), null);
      if (claimed) return claimed;
    }
  }
}

/** Mends a task, or skips it for a while, so that the next claim finds the tasks after it. */
async function isMended(definition: Definition, _id: unknown, error: unknown): Promise<boolean> {
  if (await mend(definition, _id, error)) return true;
  skip(definition.model, _id);

  return false;
}

async function claimMatching(
  definition: Definition,
  query: ReadyQuery,
  extra: Filter,
  maxTimeMS: number,
): Promise<RawDocument | null> {
  const claim = new Single(definition, query, new Types.ObjectId());
  try {
    const claimed = await persistently(
      (again) => claim.take(extra, maxTimeMS, again),
      (late) => claim.refuse(late),
    );
    claim.settled = claimed;
    claim.end();
    if (!claimed || claim.isKept(claimed)) return claimed;
    if (!(await mend(definition, claimed._id))) await mendNext(definition, query);
    return await claimMatching(definition, query, extra, maxTimeMS);
  } catch (error) {
    claim.end();
    // What it took cannot be read and holds no lease.
    if (isUnreadable(error) && (await mendNext(definition, query)))
      return claimMatching(definition, query, extra, maxTimeMS);
    throw error;
  }
}
