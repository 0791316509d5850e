import { register as globalRegister, Registry } from 'prom-client';
import { Schema } from 'mongoose';
import { constant, InvalidOptionError, taskQueue, UnrecoverableError } from 'mongoose-task-queue';
import { metrics, type Metrics, type MetricsOptions } from 'mongoose-task-queue/metrics';
import { monitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { heldHandler, startWorker } from '../support/worker';

const database = useDatabase();

let count = 0;
const makeModel = (connection = database.connection) =>
  connection.model(
    `Counted${++count}`,
    taskQueue(new Schema({ to: String }), { backoff: constant(0), maxAttempts: 2 }),
  );

const opened: Metrics[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

function measure(options: MetricsOptions): { scrape(): Promise<Record<string, number>>; register: Registry } {
  const register = new Registry();
  opened.push(metrics({ register, maxAgeMs: 0, ...options }));

  return { register, scrape: async () => samplesOf(await register.metrics()) };
}

/** Each sample by its name and labels, as Prometheus reads it. */
function samplesOf(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));

  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

const tasks = (queue: string) => (state: string) => `task_queue_tasks{queue="${queue}",state="${state}"}`;

describe('the metrics of the database', () => {
  it('are those of stats() and workers(), in seconds', async () => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
    await Letter.push({ to: 'late' }, { delayMs: 3_600_000 });
    await Letter.push({ to: 'failed' }).then((task) => task.fail(new Error('no')));
    await Letter.push({ to: 'cancelled' }).then((task) => task.cancel());
    await Letter.pop();
    await Letter.collection.updateOne(
      { to: 'grace' },
      { $set: { '_task.availableAt': new Date(Date.now() - 90_000) } },
    );
    const { scrape } = measure({ models: Letter });
    const samples = await scrape();

    const of = tasks(Letter.modelName);
    expect(Object.fromEntries(Object.entries(samples).filter(([name]) => name.includes('_tasks{')))).toEqual({
      [of('ready')]: 1,
      [of('delayed')]: 1,
      [of('blocked')]: 0,
      [of('running')]: 1,
      [of('failed')]: 1,
      [of('cancelled')]: 1,
    });
    const label = `{queue="${Letter.modelName}"}`;
    expect(samples[`task_queue_oldest_ready_age_seconds${label}`]).toBeGreaterThanOrEqual(89);
    expect(samples[`task_queue_oldest_ready_age_seconds${label}`]).toBeLessThan(3_600);
    expect(samples[`task_queue_workers${label}`]).toBe(0);
    expect(samples[`task_queue_paused${label}`]).toBe(0);
    expect(samples[`task_queue_up${label}`]).toBe(1);
  });

  it('have workers, a pause, and no age of a task when none is ready', async () => {
    const Letter = makeModel();
    await Letter.pause();
    await startWorker(Letter, { handler: () => {} });
    const { scrape } = measure({ models: Letter });

    await eventually(async () =>
      expect(await scrape()).toMatchObject({
        [`task_queue_workers{queue="${Letter.modelName}"}`]: 1,
        [`task_queue_paused{queue="${Letter.modelName}"}`]: 1,
        [`task_queue_oldest_ready_age_seconds{queue="${Letter.modelName}"}`]: 0,
      }),
    );
  });

  it('are read once for scrapes at the same time, and for those that come soon after', async () => {
    const { connection, sent, forget } = await monitoredConnection(database.uri);
    const Letter = makeModel(connection);
    await Letter.push({ to: 'ada' });
    await Letter.stats();
    forget();
    const { scrape } = measure({ models: Letter, maxAgeMs: 60_000 });
    const all = await Promise.all(Array.from({ length: 5 }, scrape));
    await Letter.push({ to: 'grace' });
    all.push(await scrape());

    for (const samples of all) expect(samples[tasks(Letter.modelName)('ready')]).toBe(1);
    expect(sent('aggregate')).toHaveLength(1);
  });

  it('are read anew once they are too old', async () => {
    const Letter = makeModel();
    const { scrape } = measure({ models: Letter, maxAgeMs: 0 });
    await scrape();
    await Letter.push({ to: 'ada' });

    expect((await scrape())[tasks(Letter.modelName)('ready')]).toBe(1);
  });

  it('of a queue that cannot be read are left out, the others are there', async () => {
    const connection = await openConnection(database.uri);
    const [Broken, Whole] = [makeModel(connection), makeModel()];
    const errors: unknown[][] = [];
    const { scrape } = measure({ models: [Broken, Whole], onError: (...told) => void errors.push(told) });
    expect(await scrape()).toMatchObject({ [tasks(Broken.modelName)('ready')]: 0 });
    await connection.close();
    jest.spyOn(Broken.collection, 'aggregate').mockImplementation(() => {
      throw new Error('out of reach');
    });
    const samples = await scrape();
    jest.restoreAllMocks();

    expect(samples).not.toHaveProperty([tasks(Broken.modelName)('ready')]);
    expect(samples[`task_queue_up{queue="${Broken.modelName}"}`]).toBe(0);
    expect(samples[tasks(Whole.modelName)('ready')]).toBe(0);
    expect(samples[`task_queue_up{queue="${Whole.modelName}"}`]).toBe(1);
    expect(errors).toEqual([[expect.any(Error), Broken.modelName]]);
  });

  it('warn of the first error where nobody hears of it, and only of that', async () => {
    const Letter = makeModel();
    const warnings: string[] = [];
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => void warnings.push(String(text)));
    jest.spyOn(Letter.collection, 'aggregate').mockImplementation(() => {
      throw new Error('no');
    });
    const { scrape } = measure({ models: Letter });
    await scrape();
    await scrape();
    warn.mockRestore();
    jest.restoreAllMocks();

    expect(warnings).toEqual([
      expect.stringContaining(`The figures of ${Letter.modelName} could not be read: Error: no`),
    ]);
  });
});

describe('the metrics of workers', () => {
  it('count attempts by how they ended, and how long tasks waited and ran', async () => {
    const Letter = makeModel();
    const { scrape } = measure({ models: Letter });
    const attempts = (outcome: string) => `task_queue_attempts_total{queue="${Letter.modelName}",outcome="${outcome}"}`;
    const before = await scrape();
    for (const outcome of ['finished', 'retried', 'failed', 'cancelled', 'released', 'lost'])
      expect(before[attempts(outcome)]).toBe(0);
    await Letter.push([{ to: 'good' }, { to: 'good' }, { to: 'late' }, { to: 'bad' }, { to: 'worse' }]);
    const worker = await startWorker(Letter, {
      handler({ to, attempts: number }) {
        if (to === 'late' && number === 1) throw new Error('not yet');
        if (to === 'bad') throw new UnrecoverableError('no');
        if (to === 'worse') throw new Error('no');
      },
    });
    await eventually(async () =>
      expect(await Letter.countDocuments({ state: { $in: ['CREATED', 'RUNNING'] } })).toBe(0),
    );
    await worker.stop();
    const samples = await scrape();

    const figures = (name: string) => samples[`task_queue_${name}{queue="${Letter.modelName}"}`];
    expect(samples[attempts('finished')]).toBe(3);
    expect(samples[attempts('retried')]).toBe(2);
    expect(samples[attempts('failed')]).toBe(2);
    expect(figures('wait_seconds_count')).toBe(7);
    expect(figures('run_seconds_count')).toBe(7);
    expect(figures('run_seconds_sum')).toBeGreaterThan(0);
    expect(figures('run_seconds_sum')).toBeLessThan(60);
  });

  it('count what was taken away or given back', async () => {
    const Letter = makeModel();
    const { scrape } = measure({ models: Letter });
    const { handler, call } = heldHandler<unknown>();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
    const worker = await startWorker(Letter, { handler, concurrency: 2 });
    await call(2);
    await Letter.cancel({ to: 'ada' });
    await worker.stop({ timeoutMs: 0 });
    const samples = await scrape();

    const attempts = (outcome: string) =>
      samples[`task_queue_attempts_total{queue="${Letter.modelName}",outcome="${outcome}"}`];
    expect(attempts('released')! + attempts('cancelled')!).toBe(2);
  });

  it('of a base are those of its kinds, too', async () => {
    const Base = makeModel();
    const Kind = Base.discriminator(`${Base.modelName}Kind`, new Schema({}));
    const { scrape } = measure({ models: Base });
    await Kind.push([{}, {}]);
    const worker = await startWorker(Base, { handler: () => {} });
    await eventually(async () =>
      expect((await scrape())[`task_queue_attempts_total{queue="${Base.modelName}",outcome="finished"}`]).toBe(2),
    );
    await worker.stop();
  });

  it('are those of its own models only', async () => {
    const [Measured, Other] = [makeModel(), makeModel()];
    const { scrape } = measure({ models: Measured });
    await Other.push({ to: 'ada' });
    const worker = await startWorker(Other, { handler: () => {} });
    await eventually(async () => expect(await Other.countDocuments({ state: 'FINISHED' })).toBe(1));
    await worker.stop();

    expect(Object.keys(await scrape()).filter((name) => name.includes(`"${Other.modelName}"`))).toEqual([]);
  });
});

describe('metrics()', () => {
  it('registers with the global registry, until it is closed', async () => {
    const Letter = makeModel();
    const { register, close } = metrics({ models: [Letter] });
    expect(register).toBe(globalRegister);
    expect(await register.metrics()).toContain('# HELP task_queue_tasks ');
    close();
    close();

    expect(await globalRegister.metrics()).not.toContain('task_queue');
    metrics({ models: [Letter] }).close();
  });

  it('follows the conventions of Prometheus: base units, and totals named so', async () => {
    const { register } = measure({ models: makeModel() });
    const all = await register.getMetricsAsJSON();

    expect(all.map(({ name }) => name)).toHaveLength(8);
    for (const { name, type, help } of all as unknown as { name: string; type: string; help: string }[]) {
      expect(name).toMatch(/^task_queue_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/\.$/);
    }
  });

  it.each([
    [{ models: [] }, 'Expected `models` to be a model or several'],
    [{ models: ['Email'] }, 'Expected `models` to be a model or several'],
    [{}, 'Expected `models` to be a model or several'],
    [{ maxAge: 1 }, 'Did you mean `maxAgeMs`?'],
    [{ maxAgeMs: -1 }, 'Expected `maxAgeMs` to be a whole number of milliseconds'],
    [{ register: {} }, 'Expected `register` to be a registry of prom-client'],
    [{ register: null }, 'Expected `register` to be a registry of prom-client'],
    [{ onError: 'log' }, 'Expected `onError` to be a function'],
    [7, 'Expected the options of metrics() to be an object'],
  ])('refuses %j, and registers nothing', async (options, message) => {
    const isObject = typeof options === 'object';
    const given =
      isObject && 'models' in options
        ? options
        : isObject && Object.keys(options).length > 0
          ? { models: makeModel(), ...options }
          : options;
    expect(() => metrics(given as never)).toThrow(message);
    expect(() => metrics(given as never)).toThrow(InvalidOptionError);

    expect(await globalRegister.metrics()).not.toContain('task_queue');
  });

  it('refuses a model without the plugin, and two of one name', async () => {
    const connection = await openConnection(database.uri);
    const Letter = makeModel();
    const Twin = connection.model(Letter.modelName, taskQueue(new Schema({})));
    const Plain = connection.model('Plain', new Schema({}));

    expect(() => metrics({ models: Plain as never })).toThrow('The model Plain is no task queue');
    expect(() => metrics({ models: [Letter, Twin] })).toThrow(`got ${Letter.modelName} twice`);
  });

  it('refuses a registry that has such metrics', () => {
    const { register } = measure({ models: makeModel() });

    expect(() => metrics({ models: makeModel(), register })).toThrow('`task_queue_tasks` already');
  });
});
