import { byWorker, fill } from '../drain';
import type { Comparison, Contender } from '../harness';
import { claim, finish, rawQueue } from '../raw';
import type { Setting } from '../setting';
import { layouts, taskModel } from '../tasks';
import { agenda } from './agenda';
import { bullmq } from './bullmq';
import { graphileWorker } from './graphile-worker';
import { mongodbQueue } from './mongodb-queue';
import { mongoosejsTask } from './mongoosejs-task';
import { loader } from './packages';
import type { Peer, PeerQueue } from './peer';
import { pgBoss } from './pg-boss';
import { Servers } from './servers';

export const PEERS: readonly Peer[] = [agenda, mongoosejsTask, mongodbQueue, bullmq, pgBoss, graphileWorker];

const CALLERS = 32;
const OPERATIONS = 20_000;
/** By so many tasks each queue shows that it works here, before any is measured. */
const TRIAL = 100;

/** A queue that is full is worked empty by our worker and by other libraries, those of them that are installed. */
export async function peers(setting: Setting): Promise<Comparison[]> {
  const Task = taskModel(setting.connection);
  const { ready } = await layouts(Task);
  const raw = setting.database.collection('raw');
  const filled = fill(Task, ready);
  const servers = new Servers();
  const opened = await openAll(setting, servers);

  return [
    {
      title: 'claim and complete',
      operations: setting.tasks ?? OPERATIONS,
      turns: 1,
      metric: 'perSecond',
      baseline: rawQueue(raw, ready, CALLERS, async () => finish(raw, (await claim(raw))['_id'])),
      contenders: [
        byWorker(Task, filled, { concurrency: CALLERS }),
        byWorker(Task, filled, { concurrency: 300 }),
        ...opened.map(asContender),
      ],
      async close() {
        for (const queue of opened) await queue.close();
        await servers.stop();
      },
    },
  ];
}

/** The queues of all that can be measured here. Says of the others why not. */
async function openAll(setting: Setting, servers: Servers): Promise<PeerQueue[]> {
  const opened: PeerQueue[] = [];
  for (const peer of PEERS) {
    try {
      opened.push(...(await open(peer, setting, servers)));
    } catch (error) {
      console.log(`${peer.name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const version of servers.versions) console.log(version);

  return opened;
}

async function open(peer: Peer, { database, uri }: Setting, servers: Servers): Promise<PeerQueue[]> {
  const load = loader(peer);
  const url = peer.server === 'mongod' ? uri : await servers.urlOf(peer.server);
  const queues = await peer.open({ load, url, database });
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
