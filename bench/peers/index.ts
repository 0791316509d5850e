import { createConnection } from 'mongoose';
import { byWorker, fill } from '../drain';
import type { Contender } from '../harness';
import { claim, finish, rawQueue } from '../raw';
import type { Measure, Setting } from '../setting';
import { type HydratedTask, layouts, taskModel } from '../tasks';
import { agenda } from './agenda';
import { bullmq } from './bullmq';
import { graphileWorker } from './graphile-worker';
import { mongodbQueue } from './mongodb-queue';
import { mongoosejsTask } from './mongoosejs-task';
import { loader } from './packages';
import { type Peer, type PeerQueue, RESULT, type Terms } from './peer';
import { pgBoss } from './pg-boss';
import { Servers } from './servers';

export const PEERS: readonly Peer[] = [agenda, mongoosejsTask, mongodbQueue, bullmq, pgBoss, graphileWorker];

const CALLERS = 32;
const CONCURRENCIES = [CALLERS, 300];
const OPERATIONS = 20_000;
/** By so many tasks each queue shows that it works here, before any is measured. */
const TRIAL = 100;

/** A queue that is full is worked empty by our worker and by other libraries, those of them that are installed. */
export function peersBy(terms: Terms): Measure {
  return async (given) => {
    const setting = { ...given, uri: uriBy(terms, given.uri) };
    const connection = await createConnection(setting.uri, { autoCreate: false, autoIndex: false }).asPromise();
    const Task = taskModel(connection);
    const { ready } = await layouts(Task);
    const raw = setting.database.collection('raw', confirmedBy(terms));
    const filled = fill(Task, ready);
    const servers = new Servers(terms.onDisk);
    const opened = await openAll(setting, servers, terms);
    const keep = terms.keepsResult ? RESULT : {};
    const handler = (task: HydratedTask) => void Object.assign(task, keep);

    return [
      {
        title: terms.keepsResult ? 'claim, and complete with a result' : 'claim and complete',
        operations: setting.tasks ?? OPERATIONS,
        turns: 1,
        metric: 'perSecond',
        baseline: rawQueue(raw, ready, CALLERS, async () => finish(raw, (await claim(raw))['_id'], keep)),
        contenders: [
          ...CONCURRENCIES.map((concurrency) => byWorker(Task, filled, { concurrency, handler })),
          ...opened.map(asContender),
        ],
        async close() {
          for (const queue of opened) await queue.close();
          await servers.stop();
          await connection.destroy();
        },
      },
    ];
  };
}

function confirmedBy({ onDisk }: Terms): object {
  return onDisk === 'before' ? { writeConcern: { w: 'majority', j: true } } : {};
}

/** A mongod by its own settings has everything on its disk within a tenth of a second. */
function uriBy({ onDisk }: Terms, uri: string): string {
  const pool = `${uri}${uri.includes('?') ? '&' : '?'}maxPoolSize=64`;

  return onDisk === 'before' ? `${pool}&w=majority&journal=true` : pool;
}

/** The queues of all that can be measured here. Says of the others why not. */
async function openAll(setting: Setting, servers: Servers, terms: Terms): Promise<PeerQueue[]> {
  const opened: PeerQueue[] = [];
  for (const peer of PEERS) {
    try {
      opened.push(...(await open(peer, setting, servers, terms)));
    } catch (error) {
      console.log(`${peer.name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const version of servers.versions) console.log(version);

  return opened;
}

async function open(peer: Peer, { database, uri }: Setting, servers: Servers, terms: Terms): Promise<PeerQueue[]> {
  const load = loader(peer);
  const url = peer.server === 'mongod' ? uri : await servers.urlOf(peer.server);
  const queues = await peer.open({ load, url, database, terms });
  try {
    for (const queue of queues) {
      await queue.prepare(TRIAL);
      await queue.drain(TRIAL);
    }
  } catch (error) {
    for (const queue of queues) await queue.close();
    throw error;
  }
  const [version] = Object.values(peer.packages);

  return queues.map((queue) => ({ ...queue, name: `${peer.name} ${version}, ${queue.name}` }));
}

/** How long a single task took is not asked: each tells of it differently, or not at all. */
function asContender({ name, prepare, drain }: PeerQueue): Contender {
  const run = async (count: number) => {
    await drain(count);
    return [];
  };

  return { name, prepare, run };
}
