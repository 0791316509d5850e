import { Countdown, type Peer, type PeerQueue, RESULT, type Terms } from './peer';

interface BullMQ {
  Queue: new (name: string, options: object) => Queue;
  Worker: new (name: string, handler: () => Promise<unknown>, options: object) => Worker;
}
interface Queue {
  addBulk(jobs: { name: string; data: object }[]): Promise<unknown>;
  obliterate(options: { force: boolean }): Promise<unknown>;
  close(): Promise<void>;
}
interface Worker {
  on(event: 'completed', listener: () => void): this;
  run(): Promise<void>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

const BULK = 1_000;

export const bullmq: Peer = {
  name: 'BullMQ',
  packages: { bullmq: '6.7.0', ioredis: '6.0.0' },
  server: 'redis-server',
  async open({ load, url, terms }) {
    const library = load<BullMQ>('bullmq');
    return [32, 200].map((concurrency) => open(library, url, terms, concurrency));
  },
};

function open({ Queue, Worker }: BullMQ, url: string, { keepsResult }: Terms, concurrency: number): PeerQueue {
  const connection = { url, maxRetriesPerRequest: null };
  const name = `peer${concurrency}`;
  const queue = new Queue(name, { connection });
  let worker: Worker;

  return {
    name: `concurrency ${concurrency}`,
    async prepare(count) {
      await queue.obliterate({ force: true });
      for (let start = 0; start < count; start += BULK) {
        const length = Math.min(BULK, count - start);
        await queue.addBulk(Array.from({ length }, (_, index) => ({ name: 'noop', data: { index } })));
      }
      worker = new Worker(name, async () => (keepsResult ? RESULT : undefined), {
        connection,
        concurrency,
        autorun: false,
      });
      await worker.waitUntilReady();
    },
    async drain(count) {
      const countdown = new Countdown(count);
      worker.on('completed', () => countdown.note());
      void worker.run();
      await countdown.done;
      await worker.close();
    },
    close: () => queue.close(),
  };
}
