import type { mongo } from 'mongoose';
import { type AnyModel, definitionOf, type Filter, type RawDocument } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { connected, serverNow } from '../server/clock';
import { requireInteger, shown } from '../values/check';
import type { TaskPage } from './answers';
import { aggregateBounded, countBounded, readBounded, TooSlowError } from './bounded';
import { holdersOf } from './crew';
import { firstPaths } from './fields';
import { type Query, queryOf, type Search } from './filter';
import { FIRST_COUNT, MAX_COUNT, NEWEST_COUNT, PART_MS } from './limits';
import { checkPath } from './operators';
import { planOf } from './plan';
import { rowOf, rowProjection } from './row';
import type { View } from './view';

/** A part of a list: which tasks, in which order, from where on. */
export interface ListOptions extends Search {
  /** A path, `-path` for the other way round. Default: claim order, or the last ended first. */
  readonly sort?: string | undefined;
  /** The `next` of the part before. Default: the first. */
  readonly after?: string | undefined;
  /** At most so many, from 1 to 200. Default: 50. */
  readonly limit?: number | undefined;
}

const MAX_ROWS = 200;

/**
 * Lists tasks. It costs the server three commands of less than half a second: where that is not enough, the answer is a part, and its
 * plan says so.
 */
export async function listTasks(view: View, model: AnyModel, options: ListOptions): Promise<TaskPage> {
  const { limit = 50 } = options;
  requireInteger('limit', limit, 1, MAX_ROWS, 'tasks', '`limit=50`');
  await connected(model);
  const skip = placeOf(options.after);
  const query = sorted(view, model, queryOf(view, model, options, await serverNow(model)), options.sort);
  const [found, plan, count] = await Promise.all([
    find(view, model, query, skip, limit),
    planOf(model, query),
    countBounded(model, query.filter, query.hint),
  ]);
  const { state } = definitionOf(model).options.fields;
  const holders = found.raw.some((raw) => raw[state] === State.RUNNING) ? await holdersOf(model) : undefined;
  const rows = found.raw.slice(0, limit).map((raw) => rowOf(view, model, raw, holders));
  const seen = skip + found.raw.length;

  return {
    rows,
    next: found.raw.length > limit && skip + limit < MAX_COUNT ? String(skip + limit) : null,
    count: count.value < seen ? { value: Math.min(seen, MAX_COUNT), more: count.more } : count,
    plan: found.part === null ? plan : { ...plan, warning: found.part },
  };
}

interface Found {
  readonly raw: RawDocument[];
  /** Why these are not all; null if they are. */
  readonly part: string | null;
}

async function find(view: View, model: AnyModel, query: Query, skip: number, limit: number): Promise<Found> {
  const projection = rowProjection(view, model);
  const { filter, sort, hint, first } = query;
  const page = [{ $skip: skip }, { $limit: limit + 1 }, inPipeline(projection)];
  try {
    const hinted = hint === undefined ? {} : { hint };
    const raw = await readBounded(model, { filter, projection, sort, skip, limit: limit + 1, ...hinted });
    return { raw, part: null };
  } catch (error) {
    if (!(error instanceof TooSlowError)) throw error;
    const raw = await findInFirst(model, first, page).catch(() => findInNewest(model, filter, page));
    return { raw, part: partOf(error, raw.length, first.what) };
  }
}

function partOf({ message }: TooSlowError, found: number, what: string): string {
  const looked = `Only the first ${FIRST_COUNT} tasks ${what} were looked through`;

  return `${message} ${found === 0 ? `${looked}, if any.` : `${looked}.`}`;
}

/** Searches in the first tasks of the state: they are found by its index, where it has one. */
function findInFirst(
  model: AnyModel,
  { filter, search, hint, sort }: Query['first'],
  page: mongo.Document[],
): Promise<RawDocument[]> {
  // Without an index, sorting would read all of them.
  const inOrder = hint === undefined ? [] : [{ $sort: sort }];
  const pipeline = [{ $match: filter }, ...inOrder, { $limit: FIRST_COUNT }, { $match: search }, ...page];

  return aggregateBounded(model, pipeline, { maxTimeMS: PART_MS, ...(hint !== undefined && { hint }) });
}

/** The last resort, where an index is missing or hardly any document is in the state. */
function findInNewest(model: AnyModel, filter: Filter, page: mongo.Document[]): Promise<RawDocument[]> {
  const pipeline = [{ $sort: { _id: -1 } }, { $limit: NEWEST_COUNT }, { $match: filter }, ...page];

  return aggregateBounded(model, pipeline, { maxTimeMS: PART_MS }).catch((error: unknown) => {
    if (!(error instanceof TooSlowError)) throw error;
    return [];
  });
}

// What a find writes as `$slice: n` a pipeline writes by the path.
function inPipeline(projection: object): Record<string, object> {
  const isSlice = (value: unknown) => typeof (value as { $slice?: unknown }).$slice === 'number';
  const entries = Object.entries(projection).map(([path, value]: [string, { $slice: number }]) => {
    const list = { $cond: [{ $isArray: `$${path}` }, { $slice: [`$${path}`, value.$slice] }, '$$REMOVE'] };
    return [path, isSlice(value) ? list : value];
  });

  // Lists alone are cut, and all else stays.
  return { [Object.values(projection).every(isSlice) ? '$set' : '$project']: Object.fromEntries(entries) as object };
}

function sorted(view: View, model: AnyModel, query: Query, sort = ''): Query {
  if (sort === '') return query;
  const path = sort.replace(/^-/, '');
  checkPath(view, model, path);
  // Else the server would have to sort all that there is.
  if (path !== '_id' && !firstPaths(model).includes(path) && !query.paths.includes(path))
    throw new InvalidOptionError(`Expected \`sort\` to be an indexed path, got \`${path}\`.`);

  return { ...query, sort: { [path]: sort.startsWith('-') ? -1 : 1 }, hint: undefined };
}

function placeOf(after = '0'): number {
  const place = Number(after);
  if (!Number.isInteger(place) || place < 0 || place >= MAX_COUNT)
    throw new InvalidOptionError(`Expected \`after\` to be what \`next\` was, got ${shown(after)}.`);

  return place;
}
