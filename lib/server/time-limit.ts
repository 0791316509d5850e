import { mongo } from 'mongoose';
import { setTimeout } from '../timers';

/** An operation waits for its answer for one to two of these, in milliseconds: longer than the driver waits for a server. */
const PERIOD_MS = 35_000;

/** One of the errors of a lost connection, told apart from those of the driver. */
export class NoAnswerError extends mongo.MongoNetworkTimeoutError {}

type Refuse = (error: Error) => void;

// Operations by the period in which they began. A timer for each would cost more than all else that is done for it here.
let recent = new Set<Refuse>();
let earlier = new Set<Refuse>();
let timer: NodeJS.Timeout | null = null;

/**
 * The outcome of an operation, or the error of a lost connection when none comes: an operation of the driver may never end, for example
 * when its connection breaks while a command is being written. Whether it was carried out is unknown then; `onLate` is told the result
 * should it come after all. What may take longer is given the patience of several.
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

// One after the other: after the process stood still, what has arrived meanwhile is read before the next period ends.
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
