import { insertCopies } from '../tasks';
import { Countdown, type Peer, type PeerQueue, RESULT, type Site } from './peer';

interface Library {
  Agenda: new (options: object) => Agenda;
}
interface Backend {
  MongoBackend: new (options: object) => object;
}
interface Agenda {
  readonly ready: Promise<void>;
  define(name: string, handler: (job: { attrs: { data: object } }) => Promise<void>): void;
  now(name: string, data: object): Promise<unknown>;
  on(event: 'complete', listener: () => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** After half of it each task that ran is looked at once more, which keeps the process from ending. Default: ten minutes. */
const LOCK_LIFETIME_MS = 20_000;

interface Settings {
  maxConcurrency: number;
  /** What it locks ahead. Without a limit all, and it walks through what it has locked for each task that it starts. */
  defaultLockLimit: number;
  processEvery: number;
}

export const agenda: Peer = {
  name: 'Agenda',
  packages: { agenda: '6.2.6', '@agendajs/mongo-backend': '4.0.3', mongodb: '7.9.0' },
  server: 'mongod',
  open: async (site) => [
    open(site, { maxConcurrency: 32, defaultLockLimit: 320, processEvery: 50 }),
    open(site, { maxConcurrency: 300, defaultLockLimit: 1_000, processEvery: 20 }),
  ],
};

function open({ load, url, database, terms }: Site, settings: Settings): PeerQueue {
  const { Agenda } = load<Library>('agenda');
  const { MongoBackend } = load<Backend>('@agendajs/mongo-backend');
  const { maxConcurrency, defaultLockLimit } = settings;
  const name = `agenda${maxConcurrency}`;
  const collection = database.collection(name);
  let queue: Agenda;

  return {
    name: `concurrency ${maxConcurrency}, ${defaultLockLimit} locked ahead`,
    async prepare(count) {
      await collection.drop();
      const backend = new MongoBackend({ address: url, collection: name, options: { maxPoolSize: 64 } });
      const defaults = { defaultConcurrency: maxConcurrency, defaultLockLifetime: LOCK_LIFETIME_MS };
      queue = new Agenda({ backend, ...defaults, ...settings });
      await queue.ready;
      // It saves the job after the handler in any case.
      queue.define('noop', async ({ attrs }) => {
        if (terms.keepsResult) Object.assign(attrs.data, RESULT);
      });
      await queue.now('noop', { index: 0 });
      await insertCopies(collection, (await collection.findOne())!, count - 1);
    },
    async drain(count) {
      const countdown = new Countdown(count);
      queue.on('complete', () => countdown.note());
      await queue.start();
      await countdown.done;
      await queue.stop();
    },
    // `stop()` has closed its connection.
    async close() {},
  };
}
