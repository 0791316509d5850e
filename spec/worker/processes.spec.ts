import childProcess from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Schema } from 'mongoose';
import {
  InvalidOptionError,
  runWorkers,
  taskQueue,
  type RunWorkersOptions,
  type WorkerProcesses,
} from 'mongoose-task-queue';
import { startProgram } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

const file = resolve(__dirname, '../support/programs/supervised.cjs');

describe('runWorkers()', () => {
  const started: WorkerProcesses[] = [];
  let folder: string;
  /** Where the processes write their pids once they are ready. */
  let readyFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'processes-'));
    readyFile = join(folder, 'ready');
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((workers) => workers.stop()));
    rmSync(folder, { recursive: true });
  });

  function run(args: string[], options: RunWorkersOptions = {}) {
    const workers = runWorkers(file, { processes: 1, handleSignals: false, stopTimeoutMs: 5_000, args, ...options });
    started.push(workers);
    const events: [string, ...unknown[]][] = [];
    for (const name of ['started', 'exited', 'stopped'] as const)
      workers.on(name, (...values: unknown[]) => void events.push([name, ...values]));

    return { workers, events, named: (name: string) => events.filter(([one]) => one === name) };
  }

  const readyPids = () =>
    existsSync(readyFile) ? readFileSync(readyFile, 'utf8').trim().split('\n').map(Number).sort() : [];

  async function untilReady(count: number): Promise<number[]> {
    return eventually(() => {
      expect(readyPids()).toHaveLength(count);
      return readyPids();
    });
  }

  it('runs the file in as many processes as it is told, with its arguments', async () => {
    const { workers, named } = run(['wait', readyFile], { processes: 3 });

    const pids = await untilReady(3);

    expect(workers.pids.toSorted()).toEqual(pids);
    expect(
      named('started')
        .map(([, pid]) => pid as number)
        .sort(),
    ).toEqual(pids);
  });

  it('runs one for each processor unless it is told', async () => {
    const { workers } = run(['wait', readyFile], { processes: undefined });

    expect(workers.pids).toHaveLength(availableParallelism());
    await untilReady(availableParallelism());
  });

  it('starts another one for one that was killed, and leaves the others alone', async () => {
    const { workers, named } = run(['wait', readyFile], { processes: 2 });
    const [first, second] = await untilReady(2);

    process.kill(first!, 'SIGKILL');
    await untilReady(3);

    expect(named('exited')).toEqual([['exited', first, null, 'SIGKILL']]);
    expect(workers.pids).toHaveLength(2);
    expect(workers.pids).toContain(second);
  });

  it('waits ever longer before it starts one again that crashes at once', async () => {
    const { workers } = run(['exit', '3']);
    const times: number[] = [performance.now()];
    workers.on('started', () => times.push(performance.now()));

    await eventually(() => expect(times.length).toBeGreaterThanOrEqual(4));

    const [, first, second, third] = times;
    expect(second! - first!).toBeGreaterThanOrEqual(1_000);
    expect(third! - second!).toBeGreaterThanOrEqual(2_000);
  });

  it('starts another one for one that ended without an error', async () => {
    const { named } = run(['exit', '0']);

    await eventually(() => expect(named('started')).toHaveLength(2));
  });

  it('tells with what code one ended', async () => {
    const { named } = run(['exit', '3']);

    await eventually(() => expect(named('exited').map(([, , code]) => code)).toEqual([3]));
  });

  it('goes on when a process cannot even be started, and tries again', async () => {
    const { fork } = childProcess;
    const execPath = join(folder, 'no-such-node');
    jest.spyOn(childProcess, 'fork').mockImplementationOnce((path, args) => fork(path, args as string[], { execPath }));
    const { named } = run(['wait', readyFile]);

    await untilReady(1);

    expect(childProcess.fork).toHaveBeenCalledTimes(2);
    expect([named('started').length, named('exited').length]).toEqual([1, 0]);
    jest.restoreAllMocks();
  });

  describe('stop()', () => {
    it('stops all of them, and starts none again', async () => {
      const { workers, events, named } = run(['wait', readyFile], { processes: 2 });
      const pids = await untilReady(2);

      await workers.stop();

      expect(
        named('exited')
          .map(([, pid, code]) => [pid, code])
          .sort(),
      ).toEqual(pids.map((pid) => [pid, 0]));
      expect(events.at(-1)).toEqual(['stopped']);
      expect(workers.pids).toEqual([]);
    });

    it('kills those that do not end in time', async () => {
      const { workers, named } = run(['stubborn', readyFile], { stopTimeoutMs: 100 });
      const [pid] = await untilReady(1);

      await workers.stop();

      expect(named('exited')).toEqual([['exited', pid, null, 'SIGKILL']]);
    });

    it('does not wait for one that is about to be started again', async () => {
      const { workers, named } = run(['exit', '3']);
      await eventually(() => expect(named('exited')).toHaveLength(1));

      await workers.stop();

      expect([named('started').length, named('stopped').length]).toEqual([1, 1]);
    });

    it('called twice, and at once, stops once', async () => {
      const { workers, named } = run(['wait', readyFile]);
      await untilReady(1);

      await Promise.all([workers.stop(), workers.stop()]);
      await workers.stop();

      expect(named('stopped')).toHaveLength(1);
    });
  });

  it('listens to signals while it runs, unless it is told not to', async () => {
    const count = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
    const before = count();
    run(['wait', readyFile], { handleSignals: false });
    expect(count()).toBe(before);
    const { workers } = run(['wait', readyFile], { handleSignals: true });
    expect(count()).toBe(before + 2);

    await workers.stop();

    expect(count()).toBe(before);
  });

  it.each<[object, string]>([
    [{ processes: 0 }, 'processes'],
    [{ processes: 1.5 }, 'processes'],
    [{ handleSignals: 'yes' }, 'handleSignals'],
    [{ stopTimeoutMs: -1 }, 'stopTimeoutMs'],
    [{ proceses: 2 }, 'Did you mean `processes`'],
  ])('refuses %p', (options, named) => {
    const call = () => runWorkers(file, options as never);

    expect(call).toThrow(InvalidOptionError);
    expect(call).toThrow(named);
  });

  it.each([[''], [undefined], [5]])('refuses the file %p', (wrong) => {
    expect(() => runWorkers(wrong as never)).toThrow(InvalidOptionError);
  });
});

describe('a program that calls runWorkers()', () => {
  const database = useDatabase();

  it('stops its workers at SIGTERM, lets them end their tasks, and ends itself', async () => {
    const Job = database.connection.model('Job', taskQueue(new Schema({ ms: Number })));
    await Job.ensureTaskIndexes();
    const supervisor = startProgram('supervisor', {
      file: 'supervised-worker.ts',
      processes: 2,
      args: [database.uri],
    });
    await eventually(() => expect(supervisor.messages.filter(({ ready }) => ready)).toHaveLength(2));
    await Job.push([{ ms: 300 }, { ms: 300 }]);
    await eventually(() => expect(supervisor.messages.filter(({ working }) => working)).toHaveLength(2));

    supervisor.kill('SIGTERM');

    await expect(supervisor.exit).resolves.toEqual({ code: 0, signal: null });
    expect(supervisor.messages.filter(({ exited }) => exited).map(({ code }) => code)).toEqual([0, 0]);
    expect(supervisor.messages.at(-1)).toEqual({ stopped: true });
    expect((await Job.find()).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['FINISHED', 1],
      ['FINISHED', 1],
    ]);
  });
});
