import { followEnd } from '../claim/behind';
import {
  type AnyModel,
  collectionOf,
  type Definition,
  definitionOf,
  type Filter,
  type RawDocument,
} from '../definition/definition';
import { castFilter } from '../definition/filter';
import { State } from '../fields';
import { liveFilter } from '../indexes/claim-index';
import { indexesReady } from '../indexes/prepare';
import { announce } from '../notify/arrivals';
import { inIdOrder } from '../server/id-order';
import { read } from '../server/read';
import { isTimeExpired, persistently } from '../server/transient';
import { signalCancel } from '../side/control';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { isOpen, openRequest } from '../task/cancellation';
import { refuseUnknown, requireInteger } from '../values/check';
import { groupBy } from '../values/group';
import { isWritable } from '../values/writable';
import { writeConfirmed } from '../waiting/bounded-write';
import { checkReason } from './cancel';
import { type AsRead, cancelStored, cancelUpdate, tokenAsRead } from './request';

/** Options of `Model.cancel()`. */
export interface CancelManyOptions {
  /** A text of 1 to 1 000 characters that tells others why. Default: none. */
  reason?: string | undefined;

  /** At most this many tasks are cancelled. Default: all. */
  limit?: number | undefined;
}

/** The outcome of `Model.cancel()`. */
export interface CancelledCount {
  /** How many tasks are CANCELLED. */
  cancelled: number;
  /** How many tasks are held, and will be CANCELLED unless they are finished in time. */
  cancelling: number;
}

/** At most this many tasks are read at a time. */
const PAGE = 1_000;
/** What a task weighs in a write that may have a statement for each: 250 of them are one part. */
const WEIGHT = 4;

/** See `TaskStatics.cancel`. */
export async function cancelMany(
  model: AnyModel,
  filter: Filter,
  options: CancelManyOptions = {},
): Promise<CancelledCount> {
  const definition = definitionOf(model);
  refuseUnknown(options, ['reason', 'limit'], 'cancel()');
  const { reason, limit = Number.MAX_SAFE_INTEGER } = options;
  checkReason(reason);
  requireInteger('limit', limit, 1, Number.MAX_SAFE_INTEGER, 'tasks', '`cancel({}, { limit: 100 })`');
  const live = liveOf(definition, filter, options.limit !== undefined);

  await indexesReady(model);
  const total = { cancelled: 0, cancelling: 0 };
  const left = () => limit - total.cancelled - total.cancelling;
  for await (const page of pages(definition, live, left)) {
    await writePage(definition, page, reason);
    // Their holders hear of it while the tasks are counted.
    const signal = page.some(({ state }) => state === State.RUNNING) ? signalCancel(model) : null;
    const { cancelled, cancelling, wereMissed } = await countedAfter(definition, live, page, reason);
    await signal;
    total.cancelled += cancelled;
    total.cancelling += cancelling;
    if (cancelled > 0) announce(model);
    if (cancelling > 0 && (wereMissed || !signal)) await signalCancel(model);
  }

  return total;
}

function liveOf(definition: Definition, filter: Filter, isLimited: boolean): Filter {
  const { model, options } = definition;
  // With a limit, a second call goes on where the first has ended.
  const isNews = isLimited ? [{ $nor: [{ [options.fields.state]: State.RUNNING, $expr: openRequest }] }] : [];

  return { $and: [castFilter(model, filter, 'cancel'), liveFilter(definition), ...isNews] };
}

/** Yields the tasks in `_id` order, each once, without those whose `_id` no filter can name. */
async function* pages(definition: Definition, live: Filter, left: () => number): AsyncGenerator<AsRead[]> {
  const readAfter = async (after: Filter): Promise<RawDocument[]> =>
    left() > 0 ? readTasks(definition, { $and: [live, after] }, Math.min(PAGE, left())) : [];
  for await (const part of inIdOrder(readAfter)) {
    const named = part.filter(({ _id }) => isWritable(_id));
    if (named.length > 0) yield named.map((one) => asRead(definition, one));
  }
}

// No time limit: the read may take long where no index serves the filter.
function readTasks({ model, options }: Definition, filter: Filter, limit: number): Promise<RawDocument[]> {
  const fields = ['token', 'cancel', 'settledAt', 'key', 'aside'].map((name) => [`_task.${name}`, 1]);
  const projection = { [options.fields.state]: 1, ...Object.fromEntries(fields) } as const;

  return read(model, { filter, projection, sort: { _id: 1 }, limit });
}

function asRead({ options }: Definition, raw: RawDocument): AsRead {
  const { token } = readBookkeeping({ ...(raw['_task'] as Bookkeeping) });

  return { _id: raw._id as unknown, state: raw[options.fields.state] as string, token };
}

async function writePage(definition: Definition, page: readonly AsRead[], reason: string | undefined): Promise<void> {
  const { model, writeConcern } = definition;
  const update = cancelUpdate(definition, reason);
  const refused = await writeConfirmed(model, writeConcern, page, {
    idOf: ({ _id }) => _id,
    write: (some, bounds) =>
      collectionOf(model).bulkWrite(
        unchanged(definition, some).map((filter) => ({ updateMany: { filter, update, hint: '_id_' } })),
        { ordered: false, ...bounds },
      ),
    isRefusal: isTimeExpired,
    weigh: () => WEIGHT,
  });
  // An open transaction has written them: they come last, and are waited for.
  for (const { item } of refused) await cancelOne(definition, item, reason);
}

/** The filters for tasks that are still as they were read: those of one claim have one token, and those that were never claimed none. */
function unchanged({ options }: Definition, some: readonly AsRead[]): Filter[] {
  const groups = groupBy(some, ({ state, token }) => `${state} ${String(token)}`);

  return [...groups.values()].map((group) => ({
    _id: { $in: group.map(({ _id }) => _id) },
    [options.fields.state]: group[0]!.state,
    '_task.token': tokenAsRead(group[0]!.token),
  }));
}

async function cancelOne(definition: Definition, task: AsRead, reason: string | undefined): Promise<void> {
  await persistently(() => cancelStored(definition, task, reason, null));
}

/** Counts what has become of the tasks. Those that changed while they were cancelled, and still match, are cancelled once more. */
async function countedAfter(
  definition: Definition,
  live: Filter,
  page: readonly AsRead[],
  reason: string | undefined,
): Promise<CancelledCount & { readonly wereMissed: boolean }> {
  const ofPage: Filter = { _id: { $in: page.map(({ _id }) => _id) } };
  const missed = (await readTasks(definition, { $and: [live, ofPage] }, page.length)).filter((one) => !isAsked(one));
  for (const one of missed) await cancelOne(definition, asRead(definition, one), reason);

  const found = await readTasks(definition, ofPage, page.length);
  const { state } = definition.options.fields;
  const count = (isCounted: (one: RawDocument) => boolean) => found.filter(isCounted).length;
  for (const one of found) if (one[state] === State.CANCELLED) await followEnd(definition, one);

  return {
    cancelled: count((one) => one[state] === State.CANCELLED),
    cancelling: count((one) => one[state] === State.RUNNING && isAsked(one)),
    wereMissed: missed.length > 0,
  };
}

function isAsked({ _task: task }: RawDocument): boolean {
  return isOpen(readBookkeeping({ ...(task as Bookkeeping) }));
}
