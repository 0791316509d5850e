import { types } from 'node:util';
import { mongo, Schema, Types } from 'mongoose';
import {
  constant,
  InvalidOptionError,
  LeaseLostError,
  State,
  taskQueue,
  TaskStateError,
  UnrecoverableError,
  type TaskContext,
  type TaskQueueOptions,
} from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { hostile } from '../support/hostile';
import { isMongoose8 } from '../support/on-mongoose9';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { heldHandler, makeWorker, nextEvent, recordEvents, tryAll } from '../support/worker';

const LATER_MS = 3_600_000;

describe('what a worker makes of a handler', () => {
  const database = useDatabase();
  const replicaSet = useDatabase('replicaSet');
  let number = 0;

  afterEach(() => jest.restoreAllMocks());

  /** A model of its own for each test, so that none sees the tasks of another. */
  function makeEmail(options: TaskQueueOptions = {}, { connection } = database) {
    const schema = new Schema({ to: { type: String, maxlength: 20 }, sent: Number, code: String });
    return connection.model(
      `Email${++number}`,
      taskQueue(schema, { maxAttempts: 2, backoff: constant(0), ...options }),
    );
  }
  type EmailModel = ReturnType<typeof makeEmail>;
  type Email = InstanceType<EmailModel>;

  const ends = ['finished', 'retried', 'failed', 'released', 'lost', 'error'] as const;

  /** Works until the first task has left the worker's hands, and says how: the event, the error, and what is stored. */
  async function workOnce(
    Email: EmailModel,
    handler: (email: Email, context: TaskContext) => unknown,
    options: { timeoutMs?: number } = {},
  ) {
    const { _id } = await Email.push({ to: 'ada' });
    const worker = makeWorker(Email, { handler, ...options });
    const first = Promise.race(
      ends.map(async (name) => ({ name, values: (await nextEvent(worker, name)) as unknown[] })),
    );
    await worker.start();
    const { name, values } = await first;
    const email = (name === 'error' ? undefined : values[0]) as Email;
    // What the worker does with the task next must not disturb what is looked at.
    const raw = await nativeOf(Email).findOne({ _id });
    await worker.stop();

    return { name, error: name === 'error' ? values[0] : values[1], email, raw, _id, worker };
  }

  describe('that settles the task itself', () => {
    it.each<[string, (email: Email) => unknown, object]>([
      ['finished', (email) => email.finish(), { state: State.FINISHED }],
      ['failed', (email) => email.fail(new Error('no')), { state: State.FAILED }],
      ['retried', (email) => email.retry({ delayMs: LATER_MS }), { state: State.CREATED }],
      ['released', (email) => email.release(), { state: State.CREATED }],
    ])('is announced as %s, and settles nothing more', async (expected, settle, state) => {
      const Email = makeEmail();
      let calls = 0;

      const { name, raw } = await workOnce(Email, async (email) => {
        if (++calls > 1) return;
        email.sent = 1;
        await settle(email);
      });

      expect(name).toBe(expected);
      if (expected !== 'released') expect(raw).toMatchObject({ ...state, sent: 1, _task: { attempts: 1, claims: 1 } });
    });

    it('keeps the delay it asked for', async () => {
      const Email = makeEmail();

      const { email, raw } = await workOnce(Email, (one) => one.retry({ delayMs: LATER_MS }));

      const waitMs = raw!['_task'].availableAt.getTime() - raw!['_task'].startedAt.getTime();
      expect(waitMs).toBeGreaterThanOrEqual(LATER_MS - 1_000);
      expect(email.state).toBe(State.CREATED);
    });

    it('counts no attempt of a task it released', async () => {
      const Email = makeEmail({ maxAttempts: 1 });

      // It is claimed again and again until the worker has stopped.
      const { _id } = await workOnce(Email, (email) => email.release());

      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 0 } });
    });

    it('may throw afterwards: the task stays as it was settled', async () => {
      const Email = makeEmail();

      const { name, raw } = await workOnce(Email, async (email) => {
        await email.finish();
        throw new Error('too late');
      });

      expect([name, raw!['state']]).toEqual(['finished', State.FINISHED]);
    });

    it.each<[string, () => void]>([
      ['returns', () => {}],
      [
        'throws',
        () => {
          throw new Error('hasty');
        },
      ],
    ])('need not wait for it before it %s', async (_, end) => {
      const Email = makeEmail();

      const { name, raw } = await workOnce(Email, (email) => {
        void email.finish();
        end();
      });

      expect([name, raw!['state']]).toEqual(['finished', State.FINISHED]);
    });

    it('in a transaction that is not committed has settled nothing: its error makes the attempt fail', async () => {
      const Email = makeEmail({}, replicaSet);
      await Email.ensureTaskIndexes();

      const { name, error, raw } = await workOnce(Email, (email) =>
        email.attempts > 1
          ? email.retry({ delayMs: LATER_MS })
          : replicaSet.connection.transaction(async (session) => {
              await email.finish({ session });
              throw new Error('no money');
            }),
      );

      expect([name, (error as Error).message]).toEqual(['retried', 'no money']);
      expect(raw!['state']).not.toBe(State.FINISHED);
    });
  });

  describe('that changes the document', () => {
    it('has the changes saved with the finish', async () => {
      const Email = makeEmail();

      const { raw } = await workOnce(Email, (email) => void (email.sent = 5));

      expect(raw).toMatchObject({ state: State.FINISHED, sent: 5 });
    });

    it('and throws has them saved with the retry', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });

      const { raw } = await workOnce(Email, (email) => {
        email.sent = 5;
        throw new Error('no');
      });

      expect(raw).toMatchObject({ state: State.CREATED, sent: 5 });
    });

    const tooLong = 'x'.repeat(21);

    it('to what the schema refuses has failed its attempt, without the changes', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });

      const { name, error, raw, email } = await workOnce(Email, (one) => void (one.to = tooLong));

      expect([name, (error as Error).name]).toEqual(['retried', 'ValidationError']);
      expect(raw).toMatchObject({ state: State.CREATED, to: 'ada', _task: { errors: [{ attempt: 1 }] } });
      expect(email.state).toBe(State.CREATED);
    });

    it('to what the schema refuses ends FAILED after its last attempt', async () => {
      const Email = makeEmail({ maxAttempts: 1 });

      const { name, raw } = await workOnce(Email, (one) => void (one.to = tooLong));

      expect(name).toBe('failed');
      expect(raw).toMatchObject({ state: State.FAILED, to: 'ada' });
    });

    it('to what the schema refuses, and throws, has failed by what it threw', async () => {
      const Email = makeEmail();

      const { name, error, raw } = await workOnce(Email, (one) => {
        one.to = tooLong;
        throw new UnrecoverableError('no such address');
      });

      expect([name, (error as Error).message]).toEqual(['failed', 'no such address']);
      expect(raw).toMatchObject({ state: State.FAILED, to: 'ada', _task: { attempts: 1 } });
    });

    it('to what a unique index refuses has failed its attempt', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });
      await nativeOf(Email).createIndex({ code: 1 }, { unique: true, sparse: true });
      await nativeOf(Email).insertOne({ code: 'taken' });

      const { name, raw } = await workOnce(Email, (one) => void (one.code = 'taken'));

      expect(name).toBe('retried');
      expect(raw).toMatchObject({
        state: State.CREATED,
        _task: { errors: [{ message: expect.stringContaining('E11000') }] },
      });
    });

    it('to what a save hook refuses has failed its attempt', async () => {
      const schema = new Schema({ to: String, sent: Number, code: String });
      schema.pre('save', function refuse() {
        if (this.sent === 5) throw new Error('the hook says no');
      });
      const Email = database.connection.model(
        `Email${++number}`,
        taskQueue(schema, { backoff: constant(LATER_MS) }),
      ) as unknown as EmailModel;

      const { name, raw } = await workOnce(Email, (one) => void (one.sent = 5));

      expect(name).toBe('retried');
      expect(raw).toMatchObject({ _task: { errors: [{ message: 'the hook says no' }] } });
    });
  });

  describe('whose task', () => {
    it('was deleted meanwhile is lost, and nothing is written', async () => {
      const Email = makeEmail();

      const { name, error, raw } = await workOnce(Email, (email) => nativeOf(Email).deleteOne({ _id: email._id }));

      expect(name).toBe('lost');
      expect(error).toBeInstanceOf(TaskStateError);
      expect(raw).toBeNull();
    });

    it('was taken over meanwhile is lost, and nothing is written', async () => {
      const Email = makeEmail();
      const token = new Types.ObjectId();

      const { name, error, raw } = await workOnce(Email, async (email) => {
        email.sent = 5;
        await rawUpdate(Email, email._id, { $set: { '_task.token': token } });
      });

      expect(name).toBe('lost');
      expect(error).toBeInstanceOf(LeaseLostError);
      expect(raw).toMatchObject({ state: State.RUNNING, _task: { token } });
      expect(raw).not.toHaveProperty('sent');
    });

    it('was put back by another program is lost', async () => {
      const Email = makeEmail();
      let calls = 0;

      const { name } = await workOnce(Email, async (email) => {
        if (++calls === 1) await rawUpdate(Email, email._id, { $set: { state: 'CREATED' } });
      });

      expect(name).toBe('lost');
    });

    it('is not lost because the handler lost another one', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });
      const other = new LeaseLostError('of another queue', new Types.ObjectId());

      const { name, error } = await workOnce(Email, () => Promise.reject(other));

      expect([name, error]).toEqual(['retried', other]);
    });
  });

  it.each([[undefined], [null], ['a text'], [{ code: 5 }], [new DOMException('stop', 'AbortError')]])(
    'that throws %p has failed its attempt',
    async (thrown) => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });

      const { name, raw } = await workOnce(Email, () => {
        // oxlint-disable-next-line typescript/only-throw-error -- what is thrown is not ours to choose
        throw thrown;
      });

      expect(name).toBe('retried');
      expect(raw).toMatchObject({ state: State.CREATED, _task: { attempts: 1 } });
    },
  );

  describe.each(Object.entries(hostile))('that throws %s', (_, thrown) => {
    it('has failed its attempt, and the worker says so', async () => {
      const Email = makeEmail({ maxAttempts: 1 });

      const { name, error, raw } = await workOnce(Email, () => {
        // oxlint-disable-next-line typescript/only-throw-error -- what is thrown is not ours to choose
        throw thrown;
      });

      expect([name, error === thrown]).toEqual(['failed', true]);
      expect(raw).toMatchObject({
        state: State.FAILED,
        _task: { errors: [{ message: expect.any(String) as unknown }] },
      });
    });

    // Mongoose 8 asks what a save hook threw for its kind where no caller can catch the refusal, which ends the process as in any program.
    const itWhereCaught = isMongoose8 && types.isProxy(thrown) ? it.skip : it;
    itWhereCaught('in a save hook has failed its attempt', async () => {
      const schema = new Schema({ to: String, sent: Number, code: String });
      schema.pre('save', function refuse() {
        // oxlint-disable-next-line typescript/only-throw-error -- what is thrown is not ours to choose
        if (this.sent === 5) throw thrown;
      });
      const Email = database.connection.model(
        `Email${++number}`,
        taskQueue(schema, { maxAttempts: 1 }),
      ) as unknown as EmailModel;

      const { name, raw } = await workOnce(Email, (one) => void (one.sent = 5));

      expect([name, raw!['state']]).toEqual(['failed', State.FAILED]);
    });
  });

  it('that throws an UnrecoverableError of another copy of this package fails the task as well', async () => {
    const Email = makeEmail();

    const { name } = await workOnce(Email, () =>
      Promise.reject(Object.assign(new Error('no'), { name: 'UnrecoverableError' })),
    );

    expect(name).toBe('failed');
  });

  describe('with a backoff', () => {
    it('waits as it says, by the number of the attempt', async () => {
      const asked: number[] = [];
      const Email = makeEmail({ maxAttempts: 3, backoff: (attempt) => (asked.push(attempt), LATER_MS) });

      const { raw } = await workOnce(Email, () => Promise.reject(new Error('no')));

      const waitMs = raw!['_task'].availableAt.getTime() - raw!['_task'].errors[0].at.getTime();
      expect(waitMs).toBe(LATER_MS);
      expect(asked).toContain(1);
    });

    it('that throws reports what is wrong, and the task comes back', async () => {
      const Email = makeEmail({
        maxAttempts: 5,
        leaseMs: 100,
        backoff: () => {
          throw new Error('the backoff is broken');
        },
      });
      let calls = 0;

      const { name, error, _id } = await workOnce(Email, async () => {
        if (++calls === 1) throw new Error('no');
      });

      expect([name, (error as Error).message]).toEqual(['error', 'the backoff is broken']);
      const worker = makeWorker(Email, { handler: () => {} });
      await worker.start();
      await eventually(async () => expect((await stored(Email, _id))['state']).toBe(State.FINISHED));
    });
  });

  describe('with a backoff that is wrong', () => {
    const wrong: [what: string, backoff: () => unknown, told: RegExp][] = [
      [
        'throws',
        () => {
          throw new Error('the backoff is broken');
        },
        /the backoff is broken/,
      ],
      [
        'throws nothing',
        () => {
          // oxlint-disable-next-line typescript/only-throw-error -- what a user's function may do
          throw undefined;
        },
        /^undefined$/,
      ],
      ['is no number', () => Number.NaN, /Expected `backoff` .* got `NaN`/],
      ['is a text', () => '5', /Expected `backoff` .* got "5"/],
      ['is nothing', () => undefined, /Expected `backoff` .* got `undefined`/],
      ['is negative', () => -1, /Expected `backoff` .* got `-1`/],
      ['is more than the maximum', () => 1e15, /Expected `backoff` .* got `1000000000000000`/],
      ['is endless', () => Number.POSITIVE_INFINITY, /Expected `backoff` .* got `Infinity`/],
      ['is a promise', async () => 5, /Expected `backoff` .* got an object \(Promise\)/],
      ['is a promise that rejects', () => Promise.reject(new Error('late')), /got an object \(Promise\)/],
    ];

    it.each(wrong)(
      '(it %s) is told so once, and its attempt has failed and waits by the default one',
      async (...one) => {
        const [, backoff, told] = one;
        const Email = makeEmail({ maxAttempts: 3, leaseMs: 600_000, backoff: backoff as () => number });
        const { _id } = await Email.push({ to: 'ada' });
        const worker = makeWorker(Email, { handler: () => Promise.reject(new Error('no')) });
        const events = recordEvents(worker);
        const failed = nextEvent(worker, 'failed');
        await worker.start();

        await failed;

        const errors = events.filter(([name]) => name === 'error').map(([, error]) => String(error));
        expect(errors).toHaveLength(2);
        for (const error of errors) expect(error).toMatch(told);
        expect(events.filter(([name]) => name === 'retried')).toHaveLength(2);
        expect(await stored(Email, _id)).toMatchObject({
          state: State.FAILED,
          _task: { errors: [{ message: 'no' }, { message: 'no' }, { message: 'no' }] },
        });
      },
    );

    it('is told the caller of `retry()`, who keeps the task, in a handler as well', async () => {
      const Email = makeEmail({ backoff: () => Number.NaN });
      let refused: unknown;

      const { name, raw } = await workOnce(Email, async (email) => {
        await email.retry().catch((error: unknown) => (refused = error));
        await email.retry({ delayMs: LATER_MS });
      });

      expect(refused).toBeInstanceOf(InvalidOptionError);
      expect([name, raw!['state']]).toEqual(['retried', State.CREATED]);
    });
  });

  describe('that takes longer than `timeoutMs`', () => {
    it('has its signal aborted with a TimeoutError, and has failed its attempt', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });
      let reason: unknown;

      const { name, error, raw } = await workOnce(
        Email,
        async (_, { signal }) => {
          await aborted(signal);
          reason = signal.reason;
          throw new Error('what a handler throws then does not matter');
        },
        { timeoutMs: 20 },
      );

      expect([name, error]).toEqual(['retried', reason]);
      expect((reason as Error).name).toBe('TimeoutError');
      expect(raw).toMatchObject({
        state: State.CREATED,
        _task: { errors: [{ message: expect.stringContaining('longer than 20 ms') as unknown }] },
      });
    });

    it('does not keep its slot, even if it goes on', async () => {
      const Email = makeEmail({ maxAttempts: 1 });
      await Email.push([{ to: 'slow' }, { to: 'next' }]);
      const never = deferred();
      const worker = makeWorker(Email, {
        handler: (email) => (email.to === 'slow' ? never.promise : undefined),
        timeoutMs: 50,
      });
      const finished = nextEvent(worker, 'finished');
      await worker.start();

      expect((await finished)[0].to).toBe('next');
      await worker.stop();
      never.resolve();
    });

    it('is refused all that it tries afterwards: the task is not its own any more', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });
      const outcomes: string[] = [];
      const ended = deferred();
      const settled = deferred();

      const { _id } = await workOnce(
        Email,
        async (email) => {
          await settled.promise;
          email.sent = 5;
          outcomes.push(...(await tryAll(email)));
          ended.resolve();
        },
        { timeoutMs: 20 },
      );
      settled.resolve();
      await ended.promise;

      expect(outcomes).toEqual(Array(8).fill('LeaseLostError'));
      expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 1 } });
      expect(await stored(Email, _id)).not.toHaveProperty('sent');
    });

    it('in the middle of a save is settled all the same', async () => {
      const Email = makeEmail({ backoff: constant(LATER_MS) });
      const saving = deferred();
      const collection = nativeOf(Email) as unknown as { updateOne(...args: unknown[]): Promise<unknown> };
      const updateOne = collection.updateOne;
      jest.spyOn(collection, 'updateOne').mockImplementationOnce(async (...args) => {
        await saving.promise;
        return updateOne.apply(collection, args);
      });

      const { name, raw } = await workOnce(
        Email,
        async (email) => {
          email.sent = 5;
          await email.save();
        },
        { timeoutMs: 20 },
      );
      saving.resolve();

      expect(name).toBe('retried');
      expect(raw).toMatchObject({ state: State.CREATED, to: 'ada' });
    });

    it('is not disturbed when it ends in time', async () => {
      const Email = makeEmail();
      let seen: AbortSignal | undefined;

      const { name } = await workOnce(Email, (_, { signal }) => void (seen = signal), { timeoutMs: 30_000 });

      expect([name, seen!.aborted]).toEqual(['finished', false]);
    });
  });

  describe('while the database is out of reach', () => {
    const broken = () => Promise.reject(new mongo.MongoNetworkError('the cable was cut'));

    it('is settled as soon as it is back', async () => {
      const Email = makeEmail();
      let cut = 0;
      cutCable(Email, () => ++cut <= 12);

      const { name, raw } = await workOnce(Email, () => {});

      expect([name, raw!['state'], raw!['_task'].claims]).toEqual(['finished', State.FINISHED, 1]);
      expect(cut).toBeGreaterThan(12);
    });

    it('is not waited for by a worker that stops and does not wait any longer', async () => {
      const Email = makeEmail();
      const restore = cutCable(Email, () => true);
      await Email.push({ to: 'ada' });
      const { handler, call } = heldHandler<Email>();
      const worker = makeWorker(Email, { handler });
      const events = recordEvents(worker);
      await worker.start();
      (await call(1)).end.resolve();

      await worker.stop({ timeoutMs: 100 });

      expect(events.map(([name]) => name)).toEqual(['started', 'error', 'stopped']);
      restore();
    });

    function cutCable(Email: EmailModel, isCut: () => boolean): () => void {
      const collection = nativeOf(Email) as unknown as { bulkWrite(...args: unknown[]): Promise<unknown> };
      const { bulkWrite } = collection;
      const spy = jest
        .spyOn(collection, 'bulkWrite')
        .mockImplementation((...args) => (isCut() ? broken() : bulkWrite.apply(collection, args)));

      return () => spy.mockRestore();
    }
  });

  it('is given a document that holds its lease', async () => {
    const Email = makeEmail();
    const connection = await openConnection(database.uri);
    const Elsewhere = connection.model(Email.modelName, Email.schema) as unknown as EmailModel;
    let refused: unknown;

    const { email } = await workOnce(Email, async (one) => {
      const theirs = await Elsewhere.findById(one._id);
      refused = await theirs!.finish().catch((error: unknown) => error);
      expect(one.lease).toMatchObject({ attempt: 1, fence: 1 });
    });

    expect(refused).toBeInstanceOf(LeaseLostError);
    expect(email.state).toBe(State.FINISHED);
  });
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
