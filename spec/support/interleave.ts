import type { Model, mongo } from 'mongoose';

// Only `any` stands for "a model of whatever schema": Model is invariant in its parameters.
type AnyModel = Model<any, any, any, any, any, any>;
type Method = 'find' | 'findOneAndUpdate' | 'insertOne' | 'updateOne' | 'updateMany' | 'deleteMany' | 'bulkWrite';
/** A filter, or the statements of a `bulkWrite()`. */
type Fits = (first: mongo.Document) => boolean;

type Call = (first: mongo.Document, ...rest: unknown[]) => unknown;

/** A step that is put in front of a call. */
export interface Interruption {
  /** Whether the call has come. */
  happened: boolean;
}

/**
 * Lets something happen right before the next call of a method of the model's collection: the exact moment between two steps
 * of a protocol. `find` stands for reads, which are sent as commands. What `step` throws is thrown by the call, which is then not made: a process that stops there.
 */
export function beforeNext(model: AnyModel, method: Method, step: () => unknown, fits?: Fits): Interruption {
  return aroundNext(model, method, fits, async (call) => {
    await step();
    return call();
  });
}

/** Lets something happen right after the next call of a method of the model's collection, before its answer comes. */
export function afterNext(model: AnyModel, method: Method, step: () => unknown, fits?: Fits): Interruption {
  return aroundNext(model, method, fits, async (call) => {
    const answer = await call();
    await step();
    return answer;
  });
}

function aroundNext(
  model: AnyModel,
  method: Method,
  fits: Fits = () => true,
  around: (call: () => unknown) => Promise<unknown>,
): Interruption {
  const isFind = method === 'find';
  const target = (isFind ? model.db.db : model.collection) as unknown as Record<string, Call>;
  const name = isFind ? 'command' : method;
  const original = target[name]!;
  const interruption = { happened: false };
  const isNext = (first: mongo.Document) =>
    isFind ? first['find'] === model.collection.collectionName && fits(first['filter'] as mongo.Document) : fits(first);
  const interrupted: Call = async (first, ...rest) => {
    const call = () => original.call(target, first, ...rest);
    if (interruption.happened || !isNext(first)) return call();
    interruption.happened = true;
    if (target[name] === interrupted) delete target[name];

    return around(call);
  };
  target[name] = interrupted;

  return interruption;
}

/** What the calls of the wake pass have in their filters. */
export const isOutboxRead: Fits = (filter) => Object.keys(filter).some((path) => path.startsWith('_task.armed.'));
export const isOfWatchers: Fits = (filter) => '_task.waitingOn' in filter || '_task.doomedBy' in filter;
/** Of the reads and writes of tasks, those that are about tasks that can be claimed now. */
export const isOfReady: Fits = (filter) => '$expr' in filter && !('_task.recheckAt' in filter);

export class Stopped extends Error {
  override name = 'Stopped';
}

/** A step at which the process stops. */
export function stop(): never {
  throw new Stopped('The process stops here.');
}
