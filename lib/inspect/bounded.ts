import type { mongo } from 'mongoose';
import { type AnyModel, collectionOf, type Filter, type RawDocument } from '../definition/definition';
import { InvalidOptionError, TaskQueueError } from '../errors';
import { explained } from '../server/explain-error';
import { type Find, LENIENT, NEWEST, read } from '../server/read';
import { answered } from '../server/time-limit';
import { isWrongQuery } from '../server/permanent';
import { isMissingIndex, isTimeExpired } from '../server/transient';
import { lineOf } from '../values/describe';
import { ANSWER_MS, MAX_COUNT } from './limits';

/** The database was not asked for longer, or lacks an index that makes it quick: nothing is wrong with what was asked for. */
export class TooSlowError extends TaskQueueError {
  override name = 'TooSlowError';
}

/** Reads documents, for ANSWER_MS at most. @throws {TooSlowError} */
export function readBounded(model: AnyModel, find: Find): Promise<RawDocument[]> {
  return bounded(model, read(model, { maxTimeMS: ANSWER_MS, ...find }));
}

/** Reads what a pipeline makes, for ANSWER_MS at most. @throws {TooSlowError} */
export function aggregateBounded(
  model: AnyModel,
  pipeline: mongo.Document[],
  options: { readonly hint?: string; readonly maxTimeMS?: number } = {},
): Promise<RawDocument[]> {
  const cursor = collectionOf(model).aggregate(pipeline, {
    maxTimeMS: ANSWER_MS,
    ...NEWEST,
    ...LENIENT,
    ...options,
  });

  return bounded(model, answered(cursor.toArray() as Promise<RawDocument[]>));
}

/** A number of documents. `more`: there are more, or may be. */
export interface Counted {
  value: number;
  more: boolean;
}

/** Counts up to MAX_COUNT documents. Where that takes too long, all that is told is that there may be more. */
export async function countBounded(model: AnyModel, query: Filter, hint?: string): Promise<Counted> {
  try {
    return await countExactly(model, query, hint);
  } catch (error) {
    if (!(error instanceof TooSlowError)) throw error;
    return { value: 0, more: true };
  }
}

/** Counts up to MAX_COUNT documents. @throws {TooSlowError} */
export async function countExactly(model: AnyModel, query: Filter, hint?: string): Promise<Counted> {
  // Not by the command `count`, which knows no `$$NOW` before MongoDB 7.
  const pipeline = [{ $match: query }, { $limit: MAX_COUNT + 1 }, { $count: 'n' }];
  const [found] = await aggregateBounded(model, pipeline, hint === undefined ? {} : { hint });
  const n = (found?.['n'] as number | undefined) ?? 0;

  return { value: Math.min(n, MAX_COUNT), more: n > MAX_COUNT };
}

async function bounded<T>(model: AnyModel, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (isTimeExpired(error))
      throw new TooSlowError(`The database was stopped after ${ANSWER_MS} ms. Ask for less, or for an indexed path.`, {
        cause: error,
      });
    if (isMissingIndex(error))
      throw new TooSlowError(
        `An index of ${model.modelName} is missing, without which this may take long. Call \`${model.modelName}.ensureTaskIndexes()\` once.`,
        { cause: error },
      );
    if (isWrongQuery(error))
      throw new InvalidOptionError(`Expected a search that the database understands: ${lineOf(error)}`, {
        cause: error,
      });
    throw explained(error);
  }
}
