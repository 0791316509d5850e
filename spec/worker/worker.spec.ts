import { setTimeout as sleep } from 'node:timers/promises';
import { Schema, Types } from 'mongoose';
import { constant, taskQueue, UnrecoverableError, type TaskContext, type WorkerModels } from 'mongoose-task-queue';
import { type Command, monitoredConnection, type MonitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker } from '../support/worker';

const NEVER_MS = 1_000_000;

describe('a worker', () => {
  const database = useDatabase();
  const makeEmail = () =>
    database.connection.model(
      'Email',
      taskQueue(new Schema({ to: String }), { backoff: constant(0), maxAttempts: 2, category: true }),
    );
  const makeReport = () => database.connection.model('Report', taskQueue(new Schema({ month: Number })));
  let Email: ReturnType<typeof makeEmail>;
  let Report: ReturnType<typeof makeReport>;

  beforeAll(async () => {
    Email = makeEmail();
    Report = makeReport();
    await Promise.all([Email.ensureTaskIndexes(), Report.ensureTaskIndexes()]);
  });
  beforeEach(async () => {
    await Promise.all([nativeOf(Email).deleteMany({}), nativeOf(Report).deleteMany({})]);
  });

  const emails = (count: number) => Array.from({ length: count }, (_, index) => ({ to: String(index) }));
  const reports = (count: number) => Array.from({ length: count }, (_, index) => ({ month: index }));
  type AnyTask = { to?: string | null; month?: number | null };

  describe('with `concurrency`', () => {
    it('has no more tasks in hand, over all its models', async () => {
      await Promise.all([Email.push(emails(5)), Report.push(reports(5))]);
      const { handler, calls, call } = heldHandler<AnyTask>();
      await startWorker<AnyTask>([Email, Report], { handler, concurrency: 3, prefetch: 0 });
      await call(3);
      calls[0]!.end.resolve();
      await call(4);

      const running = await Promise.all([Email, Report].map((model) => nativeOf(model).countDocuments(isRunning)));

      expect(running[0]! + running[1]!).toBe(3);
      expect(calls).toHaveLength(4);
      calls.forEach(({ end }) => end.resolve());
    });

    it('is 1 unless it is given', async () => {
      await Email.push(emails(2));
      const { handler, call } = heldHandler();
      await startWorker(Email, { handler });
      (await call(1)).end.resolve();
      await call(2);

      expect(await nativeOf(Email).countDocuments(isRunning)).toBe(1);
    });

    describe('whose settles are on their way', () => {
      afterEach(() => jest.restoreAllMocks());

      it.each([
        { concurrency: 1, most: 1 },
        { concurrency: 3, most: 9 },
      ])(
        'goes on with others, but with no more than $most at a concurrency of $concurrency',
        async ({ concurrency, most }) => {
          await Email.push(emails(20));
          const bulkWrite = Email.collection.bulkWrite.bind(Email.collection);
          const settling = deferred();
          const settles = jest.spyOn(Email.collection, 'bulkWrite');
          settles.mockImplementation(async (...settle) => {
            await settling.promise;
            return bulkWrite(...settle);
          });
          let calls = 0;
          const worker = await startWorker(Email, { handler: () => void calls++, concurrency });
          await eventually(() => expect(settles).toHaveBeenCalled());
          const begun = async () => [calls, await nativeOf(Email).countDocuments(isRunning)];
          await eventually(async () => expect(await begun()).toEqual([most, most]));
          // More would be by then.
          await sleep(50);
          const meanwhile = await begun();

          const events = recordEvents(worker);
          settling.resolve();
          await eventually(() => expect(events.filter(([name]) => name === 'finished')).toHaveLength(20));
          expect(meanwhile).toEqual([most, most]);
        },
      );
    });

    describe('on a connection that is listened to', () => {
      let monitored: MonitoredConnection;
      beforeAll(async () => {
        monitored = await monitoredConnection(database.uri);
      });

      it('fills all free slots by one claim', async () => {
        const Letter = monitored.connection.model('Email', Email.schema);
        await Email.push(emails(8));
        const { handler, call, calls } = heldHandler();
        const worker = makeWorker(Letter, { handler, concurrency: 8, pollMs: NEVER_MS });
        await Letter.ensureTaskIndexes();
        monitored.forget();
        await worker.start();
        await call(8);

        // On a busy machine the worker's own record may be written meanwhile.
        const isOfTasks = ({ body }: Command) => !String(Object.values(body)[0]).endsWith('.queue');
        expect(
          monitored
            .all()
            .filter(isOfTasks)
            .map(({ name }) => name),
        ).toEqual(['find', 'update', 'find']);
        calls.forEach(({ end }) => end.resolve());
      });

      it('fills slots that were freed together by one claim', async () => {
        const Letter = monitored.connection.model('Email');
        await Email.push(emails(16));
        const { handler, call, calls } = heldHandler();
        await startWorker(Letter as typeof Email, { handler, concurrency: 8, pollMs: NEVER_MS });
        await call(8);
        monitored.forget();
        calls.forEach(({ end }) => end.resolve());
        await call(16);

        const claims = monitored
          .sent('update')
          .filter(({ body }) => '$expr' in (body['updates'] as [{ q: object }])[0].q);
        expect(claims).toHaveLength(1);
        calls.forEach(({ end }) => end.resolve());
      });
    });
  });

  describe('on several models', () => {
    it('takes from all of them evenly', async () => {
      const order = await work([Email, Report], { concurrency: 2 });

      expect([9, 10, 11]).toContain(order.slice(0, 20).filter((name) => name === 'Email').length);
    });

    it('takes by weight while all of them have tasks', async () => {
      const order = await work([{ model: Email, weight: 3 }, { model: Report }], { concurrency: 4 });

      // A slot that is freed a moment earlier than the others changes the order a little.
      const share = order.slice(0, 20).filter((name) => name === 'Email').length;
      expect([14, 15, 16]).toContain(share);
    });

    it('gives slots that one model does not need to the others', async () => {
      await Report.push(reports(4));
      const { handler, call, calls } = heldHandler<AnyTask>();
      await startWorker<AnyTask>([{ model: Email, weight: 1_000 }, Report], { handler, concurrency: 4 });

      await call(4);

      calls.forEach(({ end }) => end.resolve());
    });

    it('goes on with the others, as fast as before, while one of them cannot be claimed', async () => {
      const errors: unknown[] = [];
      for (const method of ['find', 'findOneAndUpdate']) {
        jest.spyOn(nativeOf(Email) as never, method as never).mockImplementation((() => {
          throw new Error('not authorized');
        }) as never);
      }
      const { handler, call } = heldHandler<AnyTask>();
      const worker = makeWorker<AnyTask>([Email, Report], { handler, concurrency: 4 });
      worker.on('error', (error) => errors.push(error));
      await worker.start();
      // Waits that double with each error would take more than a minute for so many.
      await eventually(() => expect(errors.length).toBeGreaterThan(12));

      await nativeOf(Report).insertOne({ state: 'CREATED', month: 1 });

      (await call(1)).end.resolve();
      jest.restoreAllMocks();
    });

    async function work(models: WorkerModels<AnyTask>, options: { concurrency: number }) {
      await Promise.all([Email.push(emails(20)), Report.push(reports(20))]);
      const order: string[] = [];
      const worker = makeWorker<AnyTask>(models, {
        ...options,
        handler: (task) => void order.push('month' in (task as { toObject(): object }).toObject() ? 'Report' : 'Email'),
      });
      const idle = nextEvent(worker, 'idle');
      await worker.start();
      await idle;
      expect(order).toHaveLength(40);

      return order;
    }
  });

  describe('without a handler', () => {
    it("calls the task's own method `run` with the context", async () => {
      const runs: [unknown, unknown][] = [];
      const schema = new Schema(
        { name: String },
        {
          methods: {
            run(this: { name?: string }, context: TaskContext) {
              runs.push([this.name, context.signal]);
            },
          },
        },
      );
      const Job = database.connection.model('Job', taskQueue(schema));
      await Job.push({ name: 'ada' });
      const worker = makeWorker(Job);
      const finished = nextEvent(worker, 'finished');
      await worker.start();
      await finished;

      expect(runs).toEqual([['ada', expect.any(AbortSignal)]]);
    });

    it('calls that of the kind, where the base of discriminators is worked on', async () => {
      const ran: string[] = [];
      const base = taskQueue(new Schema({}, { methods: { run: () => void ran.push('base') } }));
      const Shape = database.connection.model('Shape', base);
      const Circle = Shape.discriminator(
        'Circle',
        new Schema({ radius: Number }, { methods: { run: () => void ran.push('circle') } }),
      );
      await Circle.create({ radius: 1, state: 'CREATED' } as never);
      const worker = makeWorker(Shape);
      const finished = nextEvent(worker, 'finished');
      await worker.start();
      await finished;

      expect(ran).toEqual(['circle']);
    });
  });

  it('takes only tasks of its category', async () => {
    await Email.push([{ to: 'a', category: 'slow' }, { to: 'b', category: 'fast' }, { to: 'c' }]);
    const seen: unknown[] = [];
    const worker = makeWorker(Email, { handler: (email) => void seen.push(email.to), category: 'fast' });
    const idle = nextEvent(worker, 'idle');
    await worker.start();
    await idle;

    expect(seen).toEqual(['b']);
  });

  it('populates what it is told to', async () => {
    const Person = database.connection.model('Person', new Schema({ name: String }));
    const schema = new Schema({ person: { type: Schema.Types.ObjectId, ref: 'Person' } });
    const Visit = database.connection.model('Visit', taskQueue(schema));
    const person = await Person.create({ name: 'ada' });
    await Visit.push({ person: person._id });
    const worker = makeWorker(Visit, { handler: () => {}, populate: 'person' });
    const finished = nextEvent(worker, 'finished');
    await worker.start();
    const [visit] = await finished;

    expect((visit.person as unknown as { name: string }).name).toBe('ada');
  });

  it('takes tasks in the order of `pop()`', async () => {
    await Email.push([
      { to: 'low', priority: 1 },
      { to: 'high', priority: 3 },
      { to: 'first', priority: 2 },
      { to: 'second', priority: 2 },
    ]);
    const seen: unknown[] = [];
    const worker = makeWorker(Email, { handler: (email) => void seen.push(email.to), concurrency: 2 });
    const idle = nextEvent(worker, 'idle');
    await worker.start();
    await idle;

    expect(seen).toEqual(['high', 'first', 'second', 'low']);
  });

  describe('tells of', () => {
    it('each transition of a task that ends well', async () => {
      const { id } = await Email.push({ to: 'ada' });
      const worker = makeWorker(Email, { handler: () => {} });
      const events = recordEvents(worker);
      const finished = nextEvent(worker, 'finished');
      await worker.start();
      const [email] = await finished;

      expect(events.map(([name, task]) => [name, (task as typeof email).id])).toEqual([
        ['started', id],
        ['finished', id],
      ]);
      expect(email.state).toBe('FINISHED');
      expect(email.lease).toBeNull();
    });

    it('each transition of a task that fails, with its error', async () => {
      const error = new Error('no');
      await Email.push({ to: 'ada' });
      const worker = makeWorker(Email, { handler: () => Promise.reject(error) });
      const events = recordEvents(worker);
      const failed = nextEvent(worker, 'failed');
      await worker.start();
      await failed;

      expect(events.map(([name, , reason]) => [name, reason])).toEqual([
        ['started', undefined],
        ['retried', error],
        ['started', undefined],
        ['failed', error],
      ]);
    });

    it('nothing being ready and nothing in hand', async () => {
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler();
      const worker = makeWorker(Email, { handler, concurrency: 2 });
      let idles = 0;
      worker.on('idle', () => idles++);
      const looks = jest.spyOn(nativeOf(Email), 'findOneAndUpdate');
      await worker.start();
      const { end } = await call(1);
      await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(4));
      expect(idles).toBe(0);

      end.resolve();

      await eventually(() => expect(idles).toBeGreaterThan(0));
      looks.mockRestore();
    });

    it('nothing being ready once, and again after something was claimed', async () => {
      const worker = makeWorker(Email, { handler: () => {} });
      let idles = 0;
      worker.on('idle', () => idles++);
      const looks = jest.spyOn(nativeOf(Email), 'findOneAndUpdate');
      await worker.start();
      await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(5));
      expect(idles).toBe(1);
      const finished = nextEvent(worker, 'finished');
      await Email.push({ to: 'ada' });
      await finished;

      await eventually(() => expect(idles).toBe(2));
      const looked = looks.mock.calls.length;
      await eventually(() => expect(looks.mock.calls.length).toBeGreaterThan(looked + 3));
      expect(idles).toBe(2);
    });

    it('what a handler throws after it has settled its task', async () => {
      const { id } = await Email.push({ to: 'ada' });
      const thrown = new Error('the invoice was not sent');
      const worker = makeWorker(Email, {
        handler: async (email) => {
          await email.finish();
          throw thrown;
        },
      });
      const events = recordEvents(worker);
      const reported = nextEvent(worker, 'error');
      await worker.start();

      const [error] = await reported;

      expect(error).toMatchObject({
        cause: thrown,
        message: expect.stringMatching(`${id}.*finished.*not sent`) as unknown,
      });
      expect(events.map(([name]) => name)).toEqual(['started', 'finished', 'error']);
    });

    it('its end', async () => {
      const worker = await startWorker(Email, { handler: () => {} });
      const events = recordEvents(worker);
      await worker.stop();

      expect(events).toEqual([['stopped']]);
    });
  });

  describe('whose listener throws or rejects', () => {
    const broken = new Error('broken listener');

    it.each([
      [
        'throws',
        () => {
          throw broken;
        },
      ],
      ['rejects', () => Promise.reject(broken)],
    ])('%s settles the task all the same, tells the next listener, and reports it', async (_, listener) => {
      const { id } = await Email.push({ to: 'ada' });
      const worker = makeWorker(Email, { handler: () => {} });
      const errors: unknown[] = [];
      const heard: unknown[] = [];
      worker.on('error', (error) => errors.push(error));
      for (const name of ['started', 'finished', 'idle'] as const) {
        worker.once(name, listener as () => void);
        worker.on(name, () => heard.push(name));
      }
      const idle = nextEvent(worker, 'idle');
      await worker.start();
      await idle;
      await worker.stop();

      expect(heard.slice(0, 3)).toEqual(['started', 'finished', 'idle']);
      expect(errors).toEqual([broken, broken, broken]);
      expect(await stored(Email, new Types.ObjectId(id))).toMatchObject({ state: 'FINISHED' });
    });

    it('goes on when it is the one for errors, with a process warning', async () => {
      const warnings = recordWarnings();
      await Email.push(emails(2));
      const worker = makeWorker(Email, { handler: () => {} });
      worker.on('error', () => {
        throw new Error('the logger is broken');
      });
      worker.once('started', () => {
        throw broken;
      });
      const idle = nextEvent(worker, 'idle');
      await worker.start();
      await idle;

      expect(await nativeOf(Email).countDocuments({ state: 'FINISHED' })).toBe(2);
      await eventually(() => expect(warnings()).toEqual([expect.stringContaining('the logger is broken')]));
    });
  });

  describe('that cannot claim', () => {
    it('goes on, and reports every error to whoever listens', async () => {
      const failing = failClaims(3);
      const worker = makeWorker(Email, { handler: () => {} });
      const errors: unknown[] = [];
      worker.on('error', (error) => errors.push(error));
      const finished = nextEvent(worker, 'finished');
      await Email.push({ to: 'ada' });
      await worker.start();
      await finished;

      expect(errors).toEqual([failing.error, failing.error, failing.error]);
    });

    it('warns once per worker when nobody listens, and goes on', async () => {
      const warnings = recordWarnings();
      failClaims(3);
      const worker = makeWorker(Email, { handler: () => {} });
      const finished = nextEvent(worker, 'finished');
      await Email.push({ to: 'ada' });
      await worker.start();
      await finished;

      await eventually(() => expect(warnings()).toEqual([expect.stringContaining('the server is on fire')]));
    });

    /** Lets the next claims fail. */
    function failClaims(times: number) {
      const error = new Error('the server is on fire');
      const claim = jest.spyOn(nativeOf(Email) as never, 'findOneAndUpdate' as never);
      for (let index = 0; index < times; index++)
        claim.mockImplementationOnce((() => {
          throw error;
        }) as never);

      return { error };
    }
  });

  afterEach(() => jest.restoreAllMocks());

  it('keeps the errors of all attempts, with message, stack and time', async () => {
    const { id } = await Email.push({ to: 'ada' });
    let attempt = 0;
    const worker = makeWorker(Email, {
      handler: () => {
        throw new Error(`attempt ${++attempt}`);
      },
    });
    const failed = nextEvent(worker, 'failed');
    await worker.start();
    const [email] = await failed;

    const expected = [1, 2].map((number) => ({
      attempt: number,
      message: `attempt ${number}`,
      stack: expect.stringContaining('worker.spec') as unknown,
      at: expect.any(Date) as unknown,
    }));
    expect(email.failures).toEqual(expected);
    expect(await stored(Email, new Types.ObjectId(id))).toMatchObject({ state: 'FAILED', _task: { errors: expected } });
  });

  it('fails a task at once by an UnrecoverableError', async () => {
    await Email.push({ to: 'ada' });
    const worker = makeWorker(Email, { handler: () => Promise.reject(new UnrecoverableError('no such address')) });
    const failed = nextEvent(worker, 'failed');
    await worker.start();
    const [email, error] = await failed;

    expect(email.attempts).toBe(1);
    expect(error).toBeInstanceOf(UnrecoverableError);
    expect(email.failures.map(({ message }) => message)).toEqual(['no such address']);
  });
});

const isRunning = { state: 'RUNNING' };

/** The messages of our own process warnings since. */
function recordWarnings(): () => string[] {
  const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});

  return () =>
    (emitted.mock.calls as unknown[][])
      .filter(([, type]) => type === 'TaskQueueWarning')
      .map(([message]) => String(message));
}
