import { Types } from 'mongoose';
import { MAX_WAIT_MS, passOver, PROBE_MS } from './blocked';
import { candidateIds } from './candidates';
import { claimOne } from './claim-one';
import { claimUpdate } from './claim-update';
import { choiceOf, noteCrowd, someOf } from './crowd';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { keyOf } from '../id';
import { read } from './read';
import type { ReadyQuery } from './ready';
import { isTimeExpired, persistently } from '../transient';

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

  const mine = { _id: { $in: ids }, '_task.token': token };
  const { model, hidden } = definition;
  return inOrderOf(ids, await read(model, { filter: mine, limit: ids.length, ...(hidden && { projection: hidden }) }));
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

function inOrderOf(ids: readonly unknown[], documents: readonly RawDocument[]): RawDocument[] {
  const byId = new Map(documents.map((document) => [keyOf(document._id), document]));

  return ids.flatMap((id) => byId.get(keyOf(id)) ?? []);
}
