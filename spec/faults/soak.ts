import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection, type mongo } from 'mongoose';
import { judge, type Verdict } from './check';
import type { Effect, Evidence, FinalTask } from './check/evidence';
import { Crew } from './crew';
import { openHistory, followHistories, readHistories } from './history';
import { inflict } from './inflict';
import { leaseOf, modeOf, type Mode, type ModeName } from './modes';
import { observe } from './observer';
import { planRound } from './plan';
import { rest } from './quiet';
import { startServers, type Servers } from './servers';
import { makeTasks } from './tasks';
import { Wires } from './wires';

const ROUND_MS = 20_000;
/** Beside the leases that may have to end first, and the work begun again then. */
const PATIENCE_MS = 6_000;
/** The estimate of the server's clock is late by as much as the answer that brought it was. */
const TOLERANCE_MS = 1_000;

export interface SoakOptions {
  readonly mode: ModeName;
  readonly seed: number;
  /** How long faults are made, with the quiet times in between. It ends with the round in which the time is over. */
  readonly forMs: number;
  /** Where histories and data are kept. */
  readonly folder: string;
  /** Default: 20 seconds. */
  readonly roundMs?: number;
  /** For so long nothing at all may happen in a quiet time while something is left to do. Default: 12 seconds and more, by the length of leases. */
  readonly patienceMs?: number;
}

export interface Soaked {
  readonly verdict: Verdict;
  readonly evidence: Evidence;
}

/** Lets faults happen to processes at work, in rounds with quiet times in between, and judges what they have done. */
export async function soak({ mode: name, seed, forMs, folder, ...times }: SoakOptions): Promise<Soaked> {
  const mode = modeOf(name);
  const { roundMs = ROUND_MS, patienceMs = PATIENCE_MS + 2 * leaseOf(mode) } = times;
  const histories = join(folder, 'histories');
  mkdirSync(histories, { recursive: true });
  const servers = await startServers(mode, folder);
  const history = openHistory(histories, 'soak');
  const { note } = history;
  const connection = await openTasks(servers, mode);
  const wires = new Wires(servers.uri);
  const wayTo = async () => (mode.isProxied ? wires.lay() : servers.uri);
  const crew = await Crew.hire({ mode, seed, folder: histories, note, wayTo });
  const stopObserving = observe(connection, note);
  const follow = followHistories(histories);
  const scene = { crew, servers, wires, note };
  try {
    const deadline = performance.now() + forMs;
    for (let round = 0; round === 0 || performance.now() < deadline; round++) {
      await Promise.all([crew.produce(roundMs), inflict(scene, planRound(mode.faults, seed, round, roundMs))]);
      await servers.heal();
      await rest({ connection, note, follow, patienceMs, parts: () => crew.parts });
    }
    await crew.dismiss();
    await stopObserving();
    const events = readHistories(histories);
    const toleranceMs = mode.toleranceMs ?? TOLERANCE_MS;
    const evidence = { events, toleranceMs, ...(await readStored(connection)) };
    return { evidence, verdict: judge(evidence) };
  } finally {
    history.close();
    await connection.destroy();
    await wires.close();
    await servers.stop();
  }
}

async function openTasks({ uri }: Servers, mode: Mode): Promise<Connection> {
  const connection = await createConnection(uri).asPromise();
  const { Plain, Step, Effect } = makeTasks(connection, { journal: false, leaseMs: leaseOf(mode), recheckMs: 1_000 });
  await Promise.all([Plain.ensureTaskIndexes(), Step.ensureTaskIndexes(), Effect.createCollection()]);

  return connection;
}

async function readStored(connection: Connection): Promise<Pick<Evidence, 'tasks' | 'effects'>> {
  const all = (name: string) => (connection.collection(name) as unknown as mongo.Collection).find().toArray();
  const documents = [...(await all('plains')), ...(await all('steps'))];
  const effects = (await all('effects')).map(({ task, fence }) => ({ task: String(task), fence: Number(fence) }));

  return {
    tasks: new Map(documents.map((one) => [String(one._id), finalTask(one)])),
    effects: effects satisfies Effect[],
  };
}

function finalTask({ _id, state, doneBy = null, isChanged = false, _task = {} }: mongo.Document): FinalTask {
  const { attempts = 0, claims: fence = 0 } = _task as { attempts?: number; claims?: number };

  return {
    id: String(_id),
    state: String(state),
    attempts,
    fence,
    doneBy: doneBy as number | null,
    isChanged: isChanged as boolean,
  };
}
