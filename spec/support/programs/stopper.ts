import { createConnection, type mongo, type Types } from 'mongoose';
import { nativeOf } from '../raw';
import { makeReports } from '../report';
import { readInput, say } from './talk';

/** What a process is about to send when it stops. */
export type StopAt = 'the mark' | 'the wake' | 'the disarming';

interface Input {
  uri: string;
  recheckMs: number;
  stopAt: StopAt;
  /** A report to push; without one it pops. */
  source?: Types.ObjectId;
}

/** Does one thing and stops in the middle of it, until it is continued or killed. */
async function main({ uri, recheckMs, stopAt, source }: Input): Promise<void> {
  const connection = await createConnection(uri, { autoIndex: false }).asPromise();
  const { Source, Report } = makeReports(connection, recheckMs);
  await Report.ensureTaskIndexes();
  const stop = {
    'the mark': () => stopBefore(Source, 'updateMany', () => true),
    'the wake': () => stopBefore(Report, 'updateMany', (filter) => '_task.waitingOn' in (filter as object)),
    'the disarming': () => stopBefore(Source, 'bulkWrite', () => true),
  };
  stop[stopAt]();

  if (source) await Report.push({ source });
  else await Report.pop();
  say({ goesOn: true });
}

type Models = ReturnType<typeof makeReports>;

function stopBefore(
  model: Models['Source'] | Models['Report'],
  method: 'updateMany' | 'bulkWrite',
  fits: (first: unknown) => boolean,
): void {
  const collection = nativeOf(model) as mongo.Collection & Record<string, (...values: unknown[]) => unknown>;
  const real = collection[method].bind(collection) as (...values: unknown[]) => unknown;
  let isOver = false;
  collection[method] = ((...values: unknown[]) => {
    if (!isOver && fits(values[0])) {
      isOver = true;
      say({ stops: true });
      process.kill(process.pid, 'SIGSTOP');
    }
    return real(...values);
  }) as never;
}

void main(readInput());
