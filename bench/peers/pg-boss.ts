import { inLoops, type Peer, type PeerQueue, RESULT, type Site } from './peer';
import { vacuum } from './postgres';

type PgBoss = new (options: object) => Boss;
interface Boss {
  on(event: 'error', listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string): Promise<void>;
  clearStorage(): Promise<void>;
  insert(jobs: { name: string; data: object }[]): Promise<unknown>;
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[]>;
  complete(name: string, ids: string[], output?: object): Promise<unknown>;
}

/** Its `fetch()` and `complete()`: what its `work()` calls, which rests for half a second at the least after each batch. */
export const pgBoss: Peer = {
  name: 'pg-boss',
  packages: { 'pg-boss': '10.4.2' },
  server: 'postgres',
  open: async (site) => [await open(site, 32, 1), await open(site, 4, 500)],
};

async function open(site: Site, loops: number, batchSize: number): Promise<PeerQueue> {
  const boss = new (site.load<PgBoss>('pg-boss'))({ connectionString: site.url, max: loops });
  const queue = `noop${batchSize}`;
  boss.on('error', console.error);
  await boss.start();
  await boss.createQueue(queue);

  return {
    name: batchSize === 1 ? `${loops} loops` : `${loops} loops, batches of ${batchSize}`,
    async prepare(count) {
      await boss.clearStorage();
      await boss.insert(Array.from({ length: count }, (_, index) => ({ name: queue, data: { index } })));
      await vacuum(site);
    },
    drain: (count) =>
      inLoops(loops, count, async () => {
        const ids = (await boss.fetch(queue, { batchSize })).map(({ id }) => id);
        if (ids.length > 0) await boss.complete(queue, ids, site.terms.keepsResult ? RESULT : undefined);
        return ids.length;
      }),
    close: () => boss.stop({ graceful: false }),
  };
}
