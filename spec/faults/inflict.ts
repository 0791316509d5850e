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

/** How each fault is made; each resolves when it is over. */
const INFLICT: Record<FaultName, Inflict> = {
  'kill a consumer': ({ crew }, { target }) => crew.killConsumer(target),
  'kill the producer': ({ crew }) => crew.killProducer(),
  'freeze a consumer': ({ crew }, { target, forMs }) => crew.freezeConsumer(target, forMs),
  'kill the server': ({ servers }, { forMs }) => restart(servers.all[0]!, forMs),
  'kill the primary': async ({ servers }, { forMs }) => restart(await servers.primary(), forMs),
  'kill a secondary': async ({ servers }, { forMs, target }) =>
    restart((await secondaries(servers))[Math.floor(target * 2)]!, forMs),
  'step down': async ({ servers }) => stepDown(await servers.primary()),
  'freeze the secondaries': async ({ servers }, { forMs }) => {
    const others = await secondaries(servers);
    others.forEach((server) => server.freeze());
    await sleep(forMs);
    others.forEach((server) => server.thaw());
  },
  'hold back replication': async ({ servers }, { forMs }) => {
    await holdBack(await secondaries(servers), () => sleep(forMs));
  },
  'roll back by kill': async ({ servers }, { forMs }) => {
    const primary = await servers.primary();
    const others = await secondaries(servers);
    others.forEach((server) => server.freeze());
    await sleep(forMs);
    await primary.kill();
    others.forEach((server) => server.thaw());
    await servers.primary();
    await primary.start();
  },
  'roll back by step down': async ({ servers }, { forMs }) => {
    const primary = await servers.primary();
    await holdBack(await secondaries(servers), async () => {
      await sleep(forMs);
      await stepDown(primary);
      await servers.primary();
    });
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

/** Carries a plan out, one fault beside the other, and writes down when each was. Resolves when all are over. */
export async function inflict(scene: Scene, plan: readonly PlannedFault[]): Promise<void> {
  const began = now();
  await Promise.all(
    plan.map(async (planned) => {
      await sleep(Math.max(0, planned.atMs - (now() - began)));
      const at = now();
      const { fault } = planned;
      let failure = '';
      // One that came in the way of another was in vain, and that is all.
      await INFLICT[fault](scene, planned).catch((error: unknown) => (failure = ` (${String(error)})`));
      const losesAnswers = !LOSES_NO_ANSWER.includes(fault);
      scene.note({ name: 'fault', at, fault: `${fault}${failure}`, until: now(), losesAnswers });
    }),
  );
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

async function secondaries(servers: Servers): Promise<Server[]> {
  const primary = await servers.primary();

  return servers.all.filter((server) => server !== primary);
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
