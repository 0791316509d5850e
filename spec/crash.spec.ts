import { setTimeout as sleep } from 'node:timers/promises';
import { State } from 'mongoose-task-queue';
import { startProgram, type Child, type Message } from './support/child';
import { useDatabase } from './support/database';
import { recordHistory, type Standing, type Write } from './support/history';
import { makeJob, MAX_ATTEMPTS } from './support/job';
import { PROPERTY_SEED } from './support/property';
import { randomFrom } from './support/random';
import { nativeOf } from './support/raw';

const TASKS = 120;
const WORKERS = 3;
const CALLERS = 8;
const KILLS = 5;
const LIVE = [State.CREATED, State.RUNNING];

// One long run, of which each spec checks one promise.
describe('workers that are killed, that hang and that come back late', () => {
  const database = useDatabase('replicaSet');
  const random = randomFrom(PROPERTY_SEED);
  const workers: Child[] = [];
  const ended = new Set<Child>();
  let Job: ReturnType<typeof makeJob>;
  let reports: Message[];
  /** All writes after the push. */
  let writes: Write[];

  beforeAll(async () => {
    Job = makeJob(database.connection);
    const readHistory = await recordHistory(Job);
    await Job.push(Array.from({ length: TASKS }, () => ({})));
    for (let number = 0; number < WORKERS; number++) startWorker();

    await killAndReplace();

    await Promise.all(workers.map(({ exit }) => exit));
    reports = workers.flatMap(({ messages }) => messages);
    writes = (await readHistory()).filter(({ before }) => 'state' in before);
  });

  function startWorker(): void {
    const seed = Math.floor(random() * 2 ** 31);
    const worker = startProgram('mortal-worker', { uri: database.uri, seed, callers: CALLERS });
    workers.push(worker);
    void worker.exit.then(() => ended.add(worker));
  }

  // Counted in claims, not in time: a busy machine is slow, and a worker that has taken nothing is no loss.
  async function killAndReplace(): Promise<void> {
    const claims = ({ messages }: Child) => messages.filter((message) => 'claimed' in message).length;
    let kills = 0;
    let nextKill = 10;
    while ((await Job.countDocuments({ state: { $in: LIVE } })) > 0) {
      for (let missing = WORKERS - (workers.length - ended.size); missing > 0; missing--) startWorker();
      const busy = workers.filter((worker) => !ended.has(worker) && claims(worker) > 0);
      if (kills < KILLS && busy.length > 0 && sum(workers.map(claims)) >= nextKill) {
        const victim = busy[Math.floor(random() * busy.length)]!;
        victim.kill('SIGKILL');
        await victim.exit;
        kills++;
        nextKill += 10 + Math.floor(random() * 20);
      }
      await sleep(10);
    }
  }

  it('end every task FINISHED or FAILED', async () => {
    const ends = await nativeOf(Job)
      .find({ state: { $exists: true } })
      .toArray();

    expect(ends).toHaveLength(TASKS);
    expect(ends.filter(({ state }) => state !== 'FINISHED' && state !== 'FAILED')).toEqual([]);
    // Each way to end was taken: otherwise this run has shown nothing.
    for (const state of ['FINISHED', 'FAILED']) expect(ends.map((end) => end['state'])).toContain(state);
  });

  it('were really killed, and none ended for another reason', async () => {
    const exits = await Promise.all(workers.map(({ exit }) => exit));

    expect(exits.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThanOrEqual(KILLS);
    expect(exits.filter(({ code, signal }) => code !== 0 && signal !== 'SIGKILL')).toEqual([]);
    expect(workers.map(({ stderr }) => stderr).join('')).toBe('');
  });

  it('take a task from nobody whose lease has not ended', () => {
    const stolen = writes.filter(({ before, after }) => {
      const isTakenOver = before['state'] === 'RUNNING' && tokenOf(before) !== tokenOf(after);

      return isTakenOver && momentOf(after, 'startedAt', 'settledAt') < Number(before['_task.availableAt']);
    });

    expect(stolen).toEqual([]);
    expect(writes.filter(({ before, after }) => tokenOf(before) !== tokenOf(after)).length).toBeGreaterThan(TASKS);
  });

  it('count each claim once, and report no other than those', () => {
    const wrong = writes.filter(
      ({ before, after }) => claimsOf(after) - claimsOf(before) !== (isClaim(after, before) ? 1 : 0),
    );
    const fences = reports
      .filter((report) => 'claimed' in report)
      .map(({ claimed, fence }) => `${String(claimed)} ${String(fence)}`);
    const counted = writes
      .filter(({ before, after }) => isClaim(after, before))
      .map(({ id, after }) => `${id} ${claimsOf(after)}`);

    expect(wrong).toEqual([]);
    expect(new Set(fences).size).toBe(fences.length);
    expect(fences.filter((fence) => !counted.includes(fence))).toEqual([]);
  });

  it('never try a task more often than `maxAttempts`', async () => {
    const handedOut = reports.filter((report) => 'claimed' in report).map(({ attempt }) => Number(attempt));
    const ends = await nativeOf(Job)
      .find({ state: { $exists: true } })
      .toArray();

    expect(Math.max(...handedOut)).toBe(MAX_ATTEMPTS);
    // Also where the one that was to fail it crashed as well.
    expect(Math.max(...ends.map((end) => Number((end['_task'] as { attempts?: number }).attempts ?? 0)))).toBe(
      MAX_ATTEMPTS,
    );
  });

  it('write a result only as the holder, and only while they are it', () => {
    const foreign = writes.filter(({ before, after }) => {
      const isHolder = before['state'] === 'RUNNING' && after['result'] === claimsOf(before);

      return after['result'] !== before['result'] && !isHolder;
    });

    expect(foreign).toEqual([]);
  });

  it('leave a task alone that is settled or waits, but for a claim and for the note why a claim failed it', () => {
    const touched = writes.filter(
      ({ before, after }) => before['state'] !== 'RUNNING' && !isClaim(after, before) && !isNote(after, before),
    );

    expect(touched).toEqual([]);
  });

  it('are refused whatever they try with a lease that they lost', () => {
    const late = reports.filter((report) => 'late' in report);

    expect(late.filter(({ outcome }) => outcome !== 'LeaseLostError')).toEqual([]);
    expect(new Set(late.map(({ name }) => name)).size).toBe(6);
  });
});

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function isClaim(after: Standing, before: Standing): boolean {
  return tokenOf(after) !== tokenOf(before) && after['state'] === 'RUNNING';
}

function isNote(after: Standing, before: Standing): boolean {
  return before['state'] === 'FAILED' && after['state'] === 'FAILED' && tokenOf(after) === tokenOf(before);
}

function tokenOf(standing: Standing): string {
  return String(standing['_task.token']);
}

function claimsOf(standing: Standing): number {
  return Number(standing['_task.claims'] ?? 0);
}

/** The later of two times. */
function momentOf(standing: Standing, ...names: string[]): number {
  return Math.max(...names.map((name) => Number(standing[`_task.${name}`] ?? 0)));
}
