import { mongo } from 'mongoose';
import { setTimeout } from '../timers';

/** How long a period is, in milliseconds: longer than the driver waits for a server. An operation waits one to two for its answer. */
const PERIOD_MS = 35_000;

/** The error for an answer that did not come. It counts as a lost connection, but is not thrown by the driver. */
export class NoAnswerError extends mongo.MongoNetworkTimeoutError {}

type Refuse = (error: Error) => void;

// Operations by the period in which they began. A timer for each operation would cost more than all the rest of this file.
let recent = new Set<Refuse>();
let earlier = new Set<Refuse>();
let timer: NodeJS.Timeout | null = null;

/**
 * Settles as `operation` does, or rejects with a `NoAnswerError` if no answer comes: an operation of the driver may never end, for example
 * when its connection breaks while a command is being written. It may have been carried out then; `onLate` gets a result that comes later.
 * `patience` multiplies the time limit.
 */
export function answered<T>(operation: Promise<T>, onLate?: (result: T) => void, patience = 1): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let period = recent;
    let left = patience;
    const refuse = (error: Error) => {
      if (--left === 0) return reject(error);
      period = recent;
      period.add(refuse);
      timer ??= startPeriod();
    };
    period.add(refuse);
    timer ??= startPeriod();
    operation.then(
      (result) => {
        if (period.delete(refuse)) resolve(result);
        else onLate?.(result);
      },
      (error: unknown) => {
        period.delete(refuse);
        reject(error as Error);
      },
    );
  });
}

// A new timer for each period: after the process stood still, answers that have arrived are read before the next period ends.
function startPeriod(): NodeJS.Timeout {
  return setTimeout(endPeriod, PERIOD_MS).unref();
}

function endPeriod(): void {
  const overdue = earlier;
  earlier = recent;
  recent = new Set();
  timer = null;
  if (earlier.size > 0) timer = startPeriod();
  for (const refuse of overdue) {
    overdue.delete(refuse);
    refuse(new NoAnswerError('The server has not answered: the connection is taken for lost.'));
  }
}
