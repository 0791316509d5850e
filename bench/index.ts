import { parseArgs } from 'node:util';
import { mongo } from 'mongoose';
import { startMongod } from '../spec/support/mongod';
import { backlog } from './backlog';
import { claim } from './claim';
import { drain } from './drain';
import { contention } from './contention';
import { dependencies } from './dependencies';
import { compareBriefly, refuseDear } from './dear';
import { compare, type Outcome } from './harness';
import { handlers } from './handlers';
import { idle } from './idle';
import { pages } from './pages';
import { peersBy } from './peers';
import { push } from './push';
import { busyNote, keep, table } from './report';
import { release } from './release';
import { results } from './results';
import { settle } from './settle';
import { inDatabase, type Measure } from './setting';
import { stats } from './stats';
import { viewers } from './viewers';
import { wakeups } from './wakeups';

const measures: Record<string, Measure> = {
  claim,
  push,
  settle,
  drain,
  results,
  handlers,
  dependencies,
  release,
  contention,
  backlog,
  stats,
  viewers,
  wakeups,
  idle,
};
/** Those of a small pass. */
const quick = { claim, push, settle, drain, results };
/** By name only: they need what is not part of this package. */
const onDemand: Record<string, Measure> = {
  peers: peersBy({ keepsResult: false, onDisk: 'usual' }),
  'peers-with-results': peersBy({ keepsResult: true, onDisk: 'within a second' }),
  'peers-durable': peersBy({ keepsResult: true, onDisk: 'before' }),
  pages,
};
const all = { ...measures, ...onDemand };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'replica-set': { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      tasks: { type: 'string' },
      small: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !Object.hasOwn(all, name));
  if (unknown.length > 0)
    throw new Error(`No measure ${unknown.join(', ')}. There are: ${Object.keys(all).join(', ')}`);

  const isSmall = values.small;
  const rounds = isSmall ? 1 : Number(values.rounds);
  const replicaSet = values['replica-set'];
  const mongod = await startMongod({ replicaSet });
  const server = `mongod ${await versionOf(mongod.uri)}, ${replicaSet ? 'replica set of one' : 'standalone'}`;
  console.log(`${server}, Node ${process.version}, best of ${rounds} rounds\n`);
  const measured: Outcome[] = [];
  try {
    for (const name of positionals.length > 0 ? positionals : Object.keys(isSmall ? quick : measures)) {
      const outcomes = await measure(
        mongod.uri,
        name,
        isSmall ? 'brief' : rounds,
        values.tasks ? Number(values.tasks) : undefined,
      );
      if (!isSmall) keep(replicaSet ? `${name}.replica-set` : name, server, outcomes);
      console.log(`${table(outcomes)}\n${busyNote()}`);
      measured.push(...outcomes);
    }
  } finally {
    await mongod.stop();
  }
  if (isSmall) refuseDear(measured);
}

async function measure(uri: string, name: string, rounds: number | 'brief', tasks?: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await inDatabase(uri, name, async (setting) => {
    const serverCpu = () => cpuOf(setting.database);
    for (const comparison of await all[name]!({ ...setting, tasks })) {
      try {
        const outcome =
          rounds === 'brief' ? compareBriefly(comparison, serverCpu) : compare(comparison, rounds, serverCpu);
        outcomes.push(...(await outcome));
      } finally {
        await comparison.close?.();
      }
    }
  });

  return outcomes;
}

async function cpuOf(database: mongo.Db): Promise<number> {
  const { extra_info: info } = await database.admin().command({ serverStatus: 1, repl: 0, metrics: 0, locks: 0 });
  const { user_time_us: user, system_time_us: system } = info as Record<string, number | bigint>;

  return Number(user) + Number(system);
}

async function versionOf(uri: string): Promise<string> {
  const client = await mongo.MongoClient.connect(uri);
  const { version } = await client.db('admin').command({ buildInfo: 1 });
  await client.close();

  return String(version);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
