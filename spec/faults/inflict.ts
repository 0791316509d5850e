import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock';
import type { Crew } from './crew';
import type { Note } from './history';
import type { FaultName, PlannedFault } from './plan';
import type { Server } from './server';
import type { Servers } from './servers';
import type { Wires } from './wires';

/** What faults happen to. */
export interface Scene {
  readonly crew: Crew;
  readonly servers: Servers;
  readonly wires: Wires;
  readonly note: Note;
}

type Inflict = (scene: Scene, fault: PlannedFault) => Promise<void>;

const SLOW_MS = 150;
/** Those of servers would undo each other. */
const ONE_AT_A_TIME = /server|primary|secondar|replication|step down|roll back/;

/** How each fault is made; each resolves when it is over. */
const INFLICT: Record<FaultName, Inflict> = {
  'kill a consumer': ({ crew }, { target }) => crew.killConsumer(target),
  'kill the producer': ({ crew }) => crew.killProducer(),
  'freeze a consumer': ({ crew }, { target, forMs }) => crew.freezeConsumer(target, forMs),
  'kill the server': ({ servers }, { forMs }) => restart(servers.all[0]!, forMs),
  'freeze the server': async ({ servers }, { forMs }) => freeze([await servers.primary()], forMs),
  'kill the primary': async ({ servers }, { forMs }) => restart(await servers.primary(), forMs),
  'kill a secondary': async ({ servers }, { forMs, target }) =>
    restart((await secondaries(servers))[Math.floor(target * 2)]!, forMs),
  'step down': async ({ servers }) => stepDown(await servers.primary()),
  'freeze the secondaries': async ({ servers }, { forMs }) => freeze(await secondaries(servers), forMs),
  'hold back replication': async ({ servers }, { forMs }) => {
    await holdBack(await secondaries(servers), () => sleep(forMs));
  },
  'roll back by kill': async ({ servers }, { forMs }) => {
    const primary = await servers.primary();
    await rollBack(servers, primary, forMs, () => primary.kill());
    await primary.start();
  },
  'roll back by step down': async ({ servers }, { forMs }) => {
    const primary = await servers.primary();
    await rollBack(servers, primary, forMs, () => stepDown(primary));
  },
  'cut connections': async ({ wires }, { target }) => wires.pick(target)?.cut('closed'),
  'reset connections': async ({ wires }, { target }) => wires.pick(target)?.cut('reset'),
  'slow connections': async ({ wires }, { target, forMs }) => {
    const wire = wires.pick(target);
    wire?.slow(SLOW_MS);
    await sleep(forMs);
    wire?.slow(0);
  },
  'freeze connections': async ({ wires }, { target, forMs }) => {
    const wire = wires.pick(target);
    wire?.stall();
    await sleep(forMs);
    wire?.resume();
  },
};

/** After these a server or a connection may take an answer with it that was on its way. Lag is none of them. */
const LOSES_NO_ANSWER: readonly FaultName[] = [
  'kill a consumer',
  'kill the producer',
  'freeze a consumer',
  'kill a secondary',
  'freeze the secondaries',
  'hold back replication',
  'slow connections',
];

/** Carries a plan out and writes down when each fault was. Resolves when all are over. */
export async function inflict(scene: Scene, plan: readonly PlannedFault[]): Promise<void> {
  const began = now();
  let ofServers: Promise<void> = Promise.resolve();
  await Promise.all(
    plan.map(async (planned) => {
      await sleep(Math.max(0, planned.atMs - (now() - began)));
      if (!ONE_AT_A_TIME.test(planned.fault)) return inflictOne(scene, planned);
      ofServers = ofServers.then(() => inflictOne(scene, planned));
      await ofServers;
    }),
  );
}

async function inflictOne(scene: Scene, planned: PlannedFault): Promise<void> {
  const at = now();
  const { fault } = planned;
  const failure = await INFLICT[fault](scene, planned).catch((error: unknown) => String(error));
  const losesAnswers = !LOSES_NO_ANSWER.includes(fault);
  scene.note({ name: 'fault', at, fault, until: now(), losesAnswers, ...(failure && { failure }) });
}

async function restart(server: Server, afterMs: number): Promise<void> {
  if (!server.isRunning) return;
  await server.kill();
  await sleep(afterMs);
  await server.start();
}

async function stepDown(primary: Server): Promise<void> {
  await primary.command({ replSetStepDown: 5, secondaryCatchUpPeriodSecs: 1, force: true });
}

async function freeze(frozen: readonly Server[], forMs: number): Promise<void> {
  frozen.forEach((server) => server.freeze());
  await sleep(forMs);
  frozen.forEach((server) => server.thaw());
}

async function secondaries(servers: Servers): Promise<Server[]> {
  const primary = await servers.primary();

  return servers.all.filter((server) => server !== primary);
}

/** Lets a primary work for some time that nobody follows, and then another take its place. */
async function rollBack(servers: Servers, old: Server, forMs: number, end: () => Promise<void>): Promise<void> {
  const marker = { _id: now() };
  await holdBack(await secondaries(servers), async () => {
    await sleep(forMs);
    await old.command({ insert: 'markers', documents: [marker], writeConcern: { w: 1 } });
    await end();
    await servers.primary();
  });
  const kept = await (await servers.primary()).command({ count: 'markers', query: marker });
  if (kept['n'] !== 0) throw new Error('Nothing was rolled back.');
}

/** Lets members stay members, whose heartbeats arrive, but that get nothing new. */
async function holdBack(members: readonly Server[], meanwhile: () => Promise<void>): Promise<void> {
  const set = (mode: string) =>
    Promise.all(members.map((member) => member.command({ configureFailPoint: 'stopReplProducer', mode })));
  await set('alwaysOn');
  try {
    await meanwhile();
  } finally {
    await set('off');
  }
}
