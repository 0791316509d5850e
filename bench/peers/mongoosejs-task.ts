import { insertCopies } from '../tasks';
import { type Peer, type PeerQueue, RESULT, type Site } from './peer';

interface Mongoose {
  createConnection(url: string, options: object): { asPromise(): Promise<Connection> };
}
interface Connection {
  destroy(): Promise<void>;
}
type Library = (options: { name: string; collectionName: string }, connection: Connection) => Task;
interface Task {
  createIndexes(): Promise<void>;
  schedule(name: string, scheduledAt: Date, parameters: object): Promise<unknown>;
  registerHandler(name: string, handler: () => unknown): Promise<unknown>;
  poll(options: { parallel: number }): Promise<void>;
}

export const mongoosejsTask: Peer = {
  name: '@mongoosejs/task',
  packages: { '@mongoosejs/task': '0.7.1', mongoose: '9.12.1' },
  server: 'mongod',
  open: async (site) => [await open(site, 32), await open(site, 300)],
};

async function open({ load, url, database, terms }: Site, parallel: number): Promise<PeerQueue> {
  const options = { maxPoolSize: 64, autoIndex: false };
  const connection = await load<Mongoose>('mongoose').createConnection(url, options).asPromise();
  const collection = database.collection(`mongoosejsTask${parallel}`);
  const names = { name: 'Task', collectionName: collection.collectionName };
  const Task = load<Library>('@mongoosejs/task')(names, connection);
  await Task.registerHandler('noop', () => (terms.keepsResult ? RESULT : undefined));

  return {
    name: `parallel ${parallel}`,
    async prepare(count) {
      await collection.drop();
      await Task.createIndexes();
      await Task.schedule('noop', new Date(), { index: 0 });
      await insertCopies(collection, (await collection.findOne())!, count - 1);
    },
    // What `startPolling()` calls again and again. It ends when it finds no task.
    drain: () => Task.poll({ parallel }),
    close: () => connection.destroy(),
  };
}
