import type { Peer, PeerQueue, Site } from './peer';
import { vacuum } from './postgres';

interface Library {
  Logger: new (factory: () => () => void) => object;
  makeWorkerUtils(options: object): Promise<Utils>;
  runOnce(options: object): Promise<void>;
}
interface Utils {
  migrate(): Promise<void>;
  addJobs(jobs: { identifier: string; payload: object }[]): Promise<unknown>;
  release(): Promise<void>;
}

const CONCURRENCY = 32;

export const graphileWorker: Peer = {
  name: 'graphile-worker',
  packages: { 'graphile-worker': '0.17.3' },
  server: 'postgres',
  open: async (site) => [
    await open(site, 'one by one', {}),
    await open(site, 'local queue of 500', {
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    }),
  ],
};

async function open(site: Site, batching: string, settings: object): Promise<PeerQueue> {
  if (site.terms.keepsResult) throw new Error('it deletes a job that is done, and keeps no result.');
  const { Logger, makeWorkerUtils, runOnce } = site.load<Library>('graphile-worker');
  // It logs each task otherwise.
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: site.url, maxPoolSize: 2, logger });
  await utils.migrate();
  // The pool that it advises: two connections more than tasks at once.
  const shared = { connectionString: site.url, concurrentJobs: CONCURRENCY, maxPoolSize: CONCURRENCY + 2 };
  const preset = { worker: { ...shared, ...settings } };

  return {
    name: `concurrency ${CONCURRENCY}, ${batching}`,
    async prepare(count) {
      await utils.addJobs(Array.from({ length: count }, (_, index) => ({ identifier: 'noop', payload: { index } })));
      await vacuum(site);
    },
    // Ends when it finds no task and what it did is stored.
    drain: () => runOnce({ preset, logger, taskList: { noop: () => {} }, noHandleSignals: true }),
    close: () => utils.release(),
  };
}
