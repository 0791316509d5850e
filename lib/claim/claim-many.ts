import { Types } from 'mongoose';
import { MAX_WAIT_MS, passOver, PROBE_MS } from './blocked';
import { candidateIds } from './candidates';
import { claimById } from './claim-one';
import { claimUpdate } from './claim-update';
import { choiceOf, noteCrowd, someOf } from './crowd';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition';
import { keyOf } from '../id';
import { read } from '../read';
import type { ReadyQuery } from './ready';
import { isTimeExpired, persistently } from '../transient';

/** Tasks of one update at the most, where they are handed over in parts: while the next part is claimed, this one is begun. */
const PART = 200;

export type Take = (tasks: RawDocument[]) => Promise<void>;

/** Takes up to `limit` ready tasks. It returns fewer only when no more are ready, not when others were faster. */
export async function claimMany(definition: Definition, query: ReadyQuery, limit: number): Promise<RawDocument[]> {
  const won: RawDocument[] = [];
  while (won.length < limit) {
    const wanted = limit - won.length;
    const ids = await candidateIds(definition, query, wanted);
    const claimed = await claimIds(definition, query, ids);
    won.push(...claimed);
    if (ids.length < wanted && claimed.length === ids.length) break;
  }

  return won;
}

/**
 * The same for a worker: hands tasks over as they come, and goes out of the way of others who claim at the same moment, at the price
 * of the order. Returns how many there were.
 */
export async function claimManyInParts(
  definition: Definition,
  query: ReadyQuery,
  limit: number,
  take: Take,
): Promise<number> {
  let won = 0;
  while (won < limit) {
    const wanted = limit - won;
    const found = await candidateIds(definition, query, wanted * choiceOf(definition));
    if (found.length === 0) break;

    const ids = someOf(found, wanted);
    const claimed = await claimParts(definition, query, ids, take);
    won += claimed;
    noteCrowd(definition, claimed / ids.length);
    if (found.length < wanted && claimed === ids.length) break;
  }

  return won;
}

async function claimParts(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
  take: Take,
): Promise<number> {
  const taken: Promise<number>[] = [];
  try {
    for (let start = 0; start < ids.length; start += PART) {
      const part = ids.slice(start, start + PART);
      const token = await mark(definition, query, part);
      taken.push(handOver(readMarked(definition, part, token), take));
    }
  } finally {
    await Promise.allSettled(taken);
  }

  return (await Promise.all(taken)).reduce((sum, count) => sum + count, 0);
}

/** Hands tasks over once they are claimed, and returns how many there were. */
export async function handOver(claiming: Promise<RawDocument[]>, take: Take): Promise<number> {
  const tasks = await claiming;
  await take(tasks);

  return tasks.length;
}

/** Takes those of the tasks that can still be claimed: several are updated with one token, and what was won is read by it. */
export async function claimIds(
  definition: Definition,
  query: ReadyQuery,
  ids: readonly unknown[],
): Promise<RawDocument[]> {
  if (ids.length === 0) return [];
  if (ids.length > 1) return readMarked(definition, ids, await mark(definition, query, ids));

  const task = await claimById(definition, query, ids[0]);
  return task ? [task] : [];
}

async function mark(definition: Definition, query: ReadyQuery, ids: readonly unknown[]): Promise<Types.ObjectId> {
  const token = new Types.ObjectId();
  try {
    await claimAmong(definition, query, ids, token, MAX_WAIT_MS);
  } catch (error) {
    if (!isTimeExpired(error)) throw error;
    // One of them is blocked, and stopped the update somewhere on its way.
    for (const id of ids) await probe(definition, query, id, token);
  }

  return token;
}

async function readMarked(
  { model, hidden }: Definition,
  ids: readonly unknown[],
  token: Types.ObjectId,
): Promise<RawDocument[]> {
  const filter = { _id: { $in: ids }, '_task.token': token };

  return inOrderOf(ids, await read(model, { filter, limit: ids.length, ...(hidden && { projection: hidden }) }));
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
