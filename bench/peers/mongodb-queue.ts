import { promisify } from 'node:util';
import { inLoops, type Peer } from './peer';

interface Driver {
  MongoClient: { connect(url: string, options: object): Promise<Client> };
}
interface Client {
  db(): object;
  close(): Promise<void>;
}
type Library = (db: object, name: string) => Queue;
interface Queue {
  createIndexes(callback: Callback): void;
  add(payloads: object[], callback: Callback): void;
  get(callback: Callback<{ ack: string } | undefined>): void;
  ack(ack: string, callback: Callback): void;
}
type Callback<Result = unknown> = (error: Error | null, result: Result) => void;

const LOOPS = 32;
const COLLECTION = 'mongodbQueue';

/** Nothing to tune: its `get()` takes one message. Its newest version needs the driver's version 3. */
export const mongodbQueue: Peer = {
  name: 'mongodb-queue',
  packages: { 'mongodb-queue': '4.0.0', mongodb: '3.7.4' },
  server: 'mongod',
  async open({ load, url, database, terms }) {
    if (terms.keepsResult) throw new Error('it keeps no results.');
    const { MongoClient } = load<Driver>('mongodb');
    const client = await MongoClient.connect(url, { useUnifiedTopology: true, poolSize: 64 });
    const queue = load<Library>('mongodb-queue')(client.db(), COLLECTION);
    const createIndexes = promisify((callback: Callback) => queue.createIndexes(callback));
    const add = promisify((payloads: object[], callback: Callback) => queue.add(payloads, callback));
    const get = promisify((callback: Callback<{ ack: string } | undefined>) => queue.get(callback));
    const ack = promisify((token: string, callback: Callback) => queue.ack(token, callback));

    return [
      {
        name: `${LOOPS} loops`,
        async prepare(count) {
          await database.collection(COLLECTION).drop();
          await createIndexes();
          await add(Array.from({ length: count }, (_, index) => ({ index })));
        },
        drain: (count) =>
          inLoops(LOOPS, count, async () => {
            const message = await get();
            if (message) await ack(message.ack);
            return message ? 1 : 0;
          }),
        close: () => client.close(),
      },
    ];
  },
};
