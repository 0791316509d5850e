import type { AnyModel } from '../any';
import { queryOf } from '../inspect/filter';
import { read } from '../server/read';
import { serverNow } from '../server/clock';
import { type Context, taskNamed, viewOf } from './context';
import { stateNamed, wholeNumber } from './options';
import { UsageError } from './terminal';
import { count } from './words';

export interface BulkOptions {
  readonly state?: string;
  readonly limit?: string;
  readonly yes?: boolean;
}

/** Tasks of one model that are acted on. */
export interface Chosen {
  readonly model: AnyModel;
  readonly ids: readonly unknown[];
  /** Whether they were named one by one. */
  readonly areNamed: boolean;
}

/** So many are acted on at a time. */
const PART = 500;
const MOST = 100_000;
/** How long the database may look for tasks that match, in milliseconds. */
const MAX_MS = 30_000;

/**
 * The tasks that are meant: those named by their ids, or all in a state that match, with `--yes`. Without it they are counted, and nothing is
 * done.
 */
export async function chooseTasks(
  context: Context,
  verb: string,
  words: readonly string[],
  options: BulkOptions,
): Promise<Chosen[]> {
  if (areIds(words, options)) return named(context, words);
  if (options.state === undefined && words.length === 0)
    throw new UsageError(`Say which tasks: \`${verb} <id>\`, or \`${verb} --state ready to:ada@example.org --yes\`.`);

  const limit = wholeNumber('limit', options.limit ?? '10000', 1, MOST);
  const found: Chosen[] = [];
  for (const model of context.models)
    found.push({ model, ids: await matching(context, model, words, options, limit), areNamed: false });
  if (options.yes || found.every(({ ids }) => ids.length === 0)) return found;
  const counts = found
    .filter(({ ids }) => ids.length > 0)
    .map(({ model, ids }) => `${count(ids.length)} of ${model.modelName}`);
  throw new UsageError(`Nothing was done: \`${verb}\` would take ${counts.join(', ')}. Add \`--yes\` to do it.`);
}

/** Query words have a path and a value. */
export function areIds(words: readonly string[], { state }: BulkOptions): boolean {
  const isId = (word: string) => !word.includes(':') || word.startsWith('{"$');

  return state === undefined && words.length > 0 && words.every(isId);
}

async function named(context: Context, words: readonly string[]): Promise<Chosen[]> {
  const all: Chosen[] = [];
  for (const word of words) {
    const { model, raw } = await taskNamed(context, word);
    all.push({ model, ids: [raw._id], areNamed: true });
  }

  return all;
}

async function matching(
  context: Context,
  model: AnyModel,
  words: readonly string[],
  { state }: BulkOptions,
  limit: number,
): Promise<unknown[]> {
  const search = { state: stateNamed(state), q: words.join(' ') };
  const { filter, hint } = queryOf(viewOf(context), model, search, await serverNow(model));
  const found = await read(model, {
    filter,
    projection: { _id: 1 },
    limit,
    maxTimeMS: MAX_MS,
    ...(hint !== undefined && { hint }),
  });

  return found.map(({ _id }) => _id as unknown);
}

/** Acts on tasks a part at a time, with a bar where there are many. */
export async function inParts<Result>(
  { out }: Context,
  verb: string,
  { ids }: Chosen,
  act: (ids: unknown[]) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const bar = ids.length > PART ? out.progress(verb) : { at() {}, end() {} };
  try {
    for (let start = 0; start < ids.length; start += PART) {
      results.push(await act(ids.slice(start, start + PART)));
      bar.at(Math.min(start + PART, ids.length), ids.length);
    }
  } finally {
    bar.end();
  }

  return results;
}
