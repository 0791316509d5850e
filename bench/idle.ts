import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import mongoose, { mongo, type Connection } from 'mongoose';
import { Worker } from 'mongoose-task-queue';
import type { Comparison, Contender } from './harness';
import { claim, rawQueue } from './raw';
import type { Setting } from './setting';
import { layouts, recreate, taskModel } from './tasks';

const WORKERS = 20;
/** Server operations of a round. */
const OPERATIONS = 40;
/** Until the waits of an idle worker have grown to `pollMs`. */
const REST_MS = 2_500;
const LOOK_MS = 10;

/** What workers that have nothing to do cost the server, in operations of it. Less is better, but nothing is slow to start. */
export async function idle({ connection, database, uri }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  await recreate(Task);
  const raw = database.collection('raw');
  await rawQueue(raw, ready, 1, () => claim(raw)).prepare(0);

  return [
    {
      title: `server operations of ${WORKERS} workers that wait`,
      operations: OPERATIONS,
      turns: 1,
      metric: 'perSecond',
      baseline: counted('loops of the plain driver, a look each second', database, () => {
        const ending = new AbortController();
        setMaxListeners(WORKERS, ending.signal);
        for (let loop = 0; loop < WORKERS; loop++) void poll(raw, ending.signal);
        return Promise.resolve(() => ending.abort());
      }),
      contenders: [
        counted('in one process', database, async () => {
          const stops = await startWorkers(Array.from({ length: WORKERS }, () => connection));
          return () => stops();
        }),
        counted('on a connection each, as in as many processes', database, async () => {
          const options = { autoCreate: false, autoIndex: false };
          const opening = Array.from({ length: WORKERS }, () => mongoose.createConnection(uri, options).asPromise());
          const connections = await Promise.all(opening);
          const stop = await startWorkers(connections);
          return async () => {
            await stop();
            await Promise.all(connections.map((one) => one.destroy()));
          };
        }),
      ],
    },
  ];
}

/** A round lasts until the server has carried out so many operations. */
function counted(name: string, database: mongo.Db, start: () => Promise<() => unknown>): Contender {
  let stop: () => unknown;

  return {
    name,
    async prepare() {
      stop = await start();
      await sleep(REST_MS);
    },
    async run(count) {
      const durations: number[] = [];
      const before = await operations(database);
      let last = performance.now();
      // Each question to the server is an operation, too.
      for (let asked = 1, seen = 0; seen < count; asked++) {
        await sleep(LOOK_MS);
        const now = (await operations(database)) - before - asked;
        if (now === seen) continue;
        durations.push(performance.now() - last);
        last = performance.now();
        seen = now;
      }
      await stop();
      return durations;
    },
  };
}

async function operations(database: mongo.Db): Promise<number> {
  const { opcounters } = await database.admin().command({ serverStatus: 1, repl: 0, metrics: 0, locks: 0 });

  return Object.values(opcounters as Record<string, unknown>).reduce<number>(
    (sum, count) => sum + (typeof count === 'number' ? count : 0),
    0,
  );
}

async function startWorkers(connections: readonly Connection[]): Promise<() => Promise<unknown>> {
  const workers = connections.map((connection) => {
    const Task = connection.models['Task'] ?? taskModel(connection);
    return new Worker(Task as ReturnType<typeof taskModel>, { handler: () => {} });
  });
  await Promise.all(workers.map((worker) => worker.start()));

  return () => Promise.all(workers.map((worker) => worker.stop()));
}

async function poll(raw: mongo.Collection, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await raw.findOneAndUpdate(
      { state: 'CREATED' },
      { $set: { state: 'RUNNING' } },
      { sort: { priority: -1, createdAt: 1 } },
    );
    await sleep(1_000 * (0.8 + 0.4 * Math.random()), undefined, { signal }).catch(() => {});
  }
}
