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
import { announce } from '../notify/announce';
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
/** What a statement of a write weighs at least, in documents. */
const STATEMENT = 4;

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
    // Holders hear of it before anything is counted: their work is what is to end soon.
    const isSignalled = page.some(({ state }) => state === State.RUNNING);
    if (isSignalled) await signalCancel(model);
    const { cancelled, cancelling, wereMissed } = await countedAfter(definition, live, page, reason);
    total.cancelled += cancelled;
    total.cancelling += cancelling;
    if (cancelled > 0) announce(model);
    if (cancelling > 0 && (wereMissed || !isSignalled)) await signalCancel(model);
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
  const weights = new Map(
    grouped(page).flatMap((group) => group.map((one) => [one, Math.max(1, STATEMENT / group.length)])),
  );
  const refused = await writeConfirmed(model, writeConcern, page, {
    idOf: ({ _id }) => _id,
    write: (some, bounds) =>
      collectionOf(model).bulkWrite(
        grouped(some).map((group) => ({ updateMany: { filter: unchanged(definition, group), update, hint: '_id_' } })),
        { ordered: false, ...bounds },
      ),
    isRefusal: isTimeExpired,
    weigh: (one) => weights.get(one)!,
  });
  // An open transaction has written them: they come last, and are waited for.
  for (const { item } of refused) await cancelOne(definition, item, reason);
}

/** Tasks that one statement can name as they were read: those of one claim have one token, and those that were never claimed none. */
function grouped(some: readonly AsRead[]): AsRead[][] {
  return [...groupBy(some, ({ state, token }) => `${state} ${String(token)}`).values()];
}

/** The filter for the tasks of a group that are still as they were read. */
function unchanged({ options }: Definition, group: readonly AsRead[]): Filter {
  return {
    _id: { $in: group.map(({ _id }) => _id) },
    [options.fields.state]: group[0]!.state,
    '_task.token': tokenAsRead(group[0]!.token),
  };
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
  const ids = page.map(({ _id }) => _id);
  const byIds = (some: readonly unknown[]): Filter => ({ _id: { $in: some } });
  const { state } = definition.options.fields;
  const isEnded = (one: RawDocument) => one[state] === State.CANCELLED;
  let found = await readTasks(definition, byIds(ids), ids.length);

  // The filter is the caller's, and may be dear: it is asked only for tasks that are neither.
  const others = found.filter((one) => !isEnded(one) && !isAsked(one)).map(({ _id }) => _id as unknown);
  const missed = others.length > 0 ? await readTasks(definition, { $and: [live, byIds(others)] }, others.length) : [];
  for (const one of missed) await cancelOne(definition, asRead(definition, one), reason);
  if (missed.length > 0) found = await readTasks(definition, byIds(ids), ids.length);
  for (const one of found.filter(isEnded)) await followEnd(definition, one);

  return {
    cancelled: found.filter(isEnded).length,
    cancelling: found.filter((one) => one[state] === State.RUNNING && isAsked(one)).length,
    wereMissed: missed.length > 0,
  };
}

function isAsked({ _task: task }: RawDocument): boolean {
  return isOpen(readBookkeeping({ ...(task as Bookkeeping) }));
}
