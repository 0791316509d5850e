import { Schema, Types, type Document, type HydratedDocument, type Model } from 'mongoose';
import {
  ensureTaskIndexes,
  fail,
  finish,
  InvalidOptionError,
  isEmpty,
  lease,
  LeaseLostError,
  pop,
  popMany,
  Priority,
  progress,
  push,
  queue,
  release,
  renew,
  requeue,
  retry,
  stats,
  taskQueue,
  TaskQueueError,
  TaskStateError,
  UnsupportedServerError,
  Worker,
} from '../lib';
import { ServerClock } from '../lib/server/clock';
import { useDatabase } from './support/database';
import { endLease, nativeOf, rawUpdate } from './support/raw';

/* oxlint-disable-next-line typescript/no-explicit-any */
type AnyModel = Model<any, any, any, any, any, any>;
type Call = () => unknown;

/** What the compiler would not let pass. */
const wrong = (value: unknown) => value as never;

describe('a call that is refused', () => {
  const database = useDatabase();
  const emailModel = () =>
    database.connection.model('Email', taskQueue(new Schema({ to: String, result: String }), { leaseMs: 60_000 }));
  const reportModel = () =>
    database.connection.model(
      'Report',
      taskQueue(new Schema({ title: String }), { category: true, fields: { category: 'lane', priority: 'urgency' } }),
    );
  const plainModel = () => database.connection.model('Plain', new Schema({ to: String }));
  let Email: ReturnType<typeof emailModel>;
  let Report: ReturnType<typeof reportModel>;
  let Plain: ReturnType<typeof plainModel>;
  /** A task that waits in the queue. */
  let waiting: InstanceType<typeof Email>;
  /** A task this handle holds. */
  let held: InstanceType<typeof Email>;
  let plain: InstanceType<typeof Plain>;

  beforeAll(async () => {
    [Email, Report, Plain] = [emailModel(), reportModel(), plainModel()];
    await Promise.all([Email.ensureTaskIndexes(), Report.ensureTaskIndexes()]);
  });

  beforeEach(async () => {
    await Promise.all([Email, Report, Plain].map((model) => nativeOf(model).deleteMany({})));
    await Email.push({ to: 'held', priority: Priority.HIGH });
    held = (await Email.pop())!;
    waiting = await Email.push({ to: 'waiting' });
    await Report.push({ title: 'waiting', lane: 'a' });
    plain = await Plain.create({ to: 'ada' });
  });

  /** The error of a call that must change neither a byte of the collections nor a handle. */
  async function refusalOf(call: Call, ...handles: Document[]): Promise<TaskQueueError> {
    const before = await everything(handles);
    const outcome: unknown = await Promise.resolve()
      .then(call)
      .then(
        (result) => new Error(`it was accepted, with ${String(result)}`),
        (error: unknown) => error,
      );

    expect(outcome).toBeInstanceOf(TaskQueueError);
    expect(await everything(handles)).toEqual(before);
    return outcome as TaskQueueError;
  }

  async function everything(handles: Document[]): Promise<object> {
    const stored = await Promise.all([Email, Report, Plain].map(bytesOf));
    return { stored, handles: [held, waiting, plain, ...handles].map(looksOf) };
  }

  describe('for an option that does not exist', () => {
    it.each<[string, string, string, Call]>([
      ['push() of a model', 'delay', 'delayMs', () => Email.push({ to: 'eve' }, wrong({ delay: 5 }))],
      ['push() of many', 'runat', 'runAt', () => Email.push([{ to: 'eve' }, { to: 'mal' }], wrong({ runat: 5 }))],
      ['push() of a task', 'keys', 'key', () => waiting.push(wrong({ keys: 'a' }))],
      ['pop()', 'categroy', 'category', () => Email.pop(wrong({ categroy: 'a' }))],
      ['popMany()', 'populated', 'populate', () => Email.popMany(5, wrong({ populated: 'to' }))],
      ['queue()', 'poll', 'pollMs', () => Email.queue(wrong({ poll: 5 }))],
      ['isEmpty()', 'Category', 'category', () => Email.isEmpty(wrong({ Category: 'a' }))],
      ['finish()', 'sesion', 'session', () => held.finish(wrong({ sesion: null }))],
      ['fail()', 'sessions', 'session', () => held.fail('no', wrong({ sessions: null }))],
      ['retry()', 'delayMS', 'delayMs', () => held.retry(wrong({ delayMS: 5 }))],
      ['release()', 'session_', 'session', () => held.release(wrong({ session_: null }))],
    ])('names the one that %s has: %s → %s', async (verb, typed, meant, call) => {
      const error = await refusalOf(call);

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain(`Unknown option \`${typed}\` of ${verb.slice(0, verb.indexOf(')') + 1)}.`);
      expect(error.message).toContain(`Did you mean \`${meant}\`? Known are: `);
    });

    const verbs: Record<string, (options: never) => unknown> = {
      'push() of a model': (options) => Email.push({ to: 'eve' }, options),
      'push() of a task': (options) => waiting.push(options),
      'pop()': (options) => Email.pop(options),
      'popMany()': (options) => Email.popMany(5, options),
      'queue()': (options) => Email.queue(options),
      'isEmpty()': (options) => Email.isEmpty(options),
      'finish()': (options) => held.finish(options),
      'fail()': (options) => held.fail('no', options),
      'retry()': (options) => held.retry(options),
      'release()': (options) => held.release(options),
    };

    it.each(Object.keys(verbs))('says that %s takes an object', async (verb) => {
      for (const options of [null, 5, 'reports', true, []]) {
        const error = await refusalOf(() => verbs[verb]!(wrong(options)));

        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(
          `Expected the options of ${verb.slice(0, verb.indexOf(')') + 1)} to be an object`,
        );
      }
    });
  });

  describe('for a time', () => {
    const date = 'Expected `runAt` to be a valid Date';
    const delay = 'Expected `delayMs` to be a whole number of milliseconds from 0';

    it.each<[object, string]>([
      [{ runAt: 'tomorrow' }, `${date}, got "tomorrow" (string). Write for example \`runAt: new Date(`],
      [{ runAt: new Date(Number.NaN) }, `${date}, got Invalid Date (Date)`],
      [{ runAt: 1_900_000_000_000 }, `${date}, got \`1900000000000\` (number)`],
      [{ runAt: null }, `${date}, got \`null\``],
      [{ delayMs: -1 }, `${delay} to 3162240000000, got \`-1\` (number). Write for example \`delayMs: 60_000\``],
      [{ delayMs: Number.NaN }, 'got `NaN` (number)'],
      [{ delayMs: Infinity }, 'got `Infinity` (number)'],
      [{ delayMs: 0.5 }, 'got `0.5` (number)'],
      [{ delayMs: '5s' }, 'got "5s" (string)'],
      [{ delayMs: null }, 'got `null`'],
      [{ delayMs: 5, runAt: new Date() }, 'Expected `delayMs` or `runAt`, got both. Write one of them.'],
    ])('says what is wrong with %p', async (options, message) => {
      const fresh = new Email({ to: 'eve' });

      for (const call of [
        () => Email.push({ to: 'eve' }, wrong(options)),
        () => Email.push([{ to: 'eve' }, { to: 'mal' }], wrong(options)),
        () => fresh.push(wrong(options)),
        () => waiting.push(wrong(options)),
      ]) {
        const error = await refusalOf(call, fresh);
        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(message);
      }
    });

    it.each([-1, Number.NaN, Infinity, 0.5, '5s', null])(
      'says what is wrong with a retry after %p',
      async (delayMs) => {
        const error = await refusalOf(() => held.retry(wrong({ delayMs })));

        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(delay);
      },
    );
  });

  describe('for a key', () => {
    it.each(['', 5, null, ['a'], new Types.ObjectId('0'.repeat(24))])('says what is wrong with %p', async (key) => {
      const error = await refusalOf(() => Email.push({ to: 'eve' }, wrong({ key })));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain('Expected `key` to be a text that is not empty, got ');
      expect(error.message).toContain("Write for example `key: 'invoice-42'`");
    });

    it('says that it goes with one task', async () => {
      const error = await refusalOf(() => Email.push([{ to: 'eve' }, { to: 'mal' }], { key: 'a' }));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain('Expected one task for `key`, got 2');
      expect(error.message).toContain('Push them one by one');
    });
  });

  describe('for a priority', () => {
    const numbers = [101, -101, 1.5, Number.NaN, Infinity];
    const expected = 'to be a whole number from -100 to 100, got ';

    it.each([...numbers, '5', 'high', null, true])('says what is wrong with %p among the fields', async (priority) => {
      for (const input of [{ to: 'eve', priority }, [{ to: 'eve' }, { to: 'mal', priority }]]) {
        const error = await refusalOf(() => Email.push(wrong(input)));

        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(`Expected \`priority\` ${expected}`);
        expect(error.message).toContain('Write for example `priority: Priority.HIGH`');
      }
    });

    it.each([...numbers, 'high'])('says what is wrong with %p in a new document', async (priority) => {
      const fresh = new Email({ to: 'eve', priority });

      const error = await refusalOf(() => fresh.push(), fresh);

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain(`Expected \`priority\` ${expected}`);
    });

    it.each([...numbers, 'high'])('says what is wrong with %p in a task that waits', async (priority) => {
      waiting.set('priority', priority);

      const error = await refusalOf(() => waiting.push());

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain(`Expected \`priority\` ${expected}`);
    });

    it.each([101, -101, 1.5, Infinity])('is a ValidationError of Mongoose when %p is saved', async (priority) => {
      for (const task of [waiting, held]) {
        task.priority = priority;
        const before = await everything([]);

        await expect(task.save()).rejects.toMatchObject({
          name: 'ValidationError',
          errors: { priority: { message: `Expected \`priority\` ${expected}\`${priority}\`.` } },
        });
        expect(await everything([])).toEqual(before);
      }
    });

    it.each([1.5, Number.NaN, 'high'])(
      'is a ValidationError of Mongoose when %p is saved by finish()',
      async (priority) => {
        for (const task of [waiting, held]) {
          task.set('priority', priority);
          const before = await everything([]);

          await expect(task.finish()).rejects.toMatchObject({ name: 'ValidationError', errors: { priority: {} } });
          expect(await everything([])).toEqual(before);
        }
      },
    );

    it('names it as the model does', async () => {
      const error = await refusalOf(() => Report.push({ title: 'eve', urgency: 500 }));

      expect(error.message).toContain(`Expected \`urgency\` ${expected}\`500\` (number)`);
      expect(error.message).toContain('Write for example `urgency: Priority.HIGH`');
    });
  });

  describe('for a category', () => {
    it.each<[string, Call]>([
      ['pop()', () => Email.pop({ category: 'a' })],
      ['popMany()', () => Email.popMany(5, { category: ['a'] })],
      ['queue()', () => Email.queue({ category: 'a' })],
      ['isEmpty()', () => Email.isEmpty({ category: 'a' })],
      ['push()', () => Email.push(wrong({ to: 'eve', category: 'a' }))],
      ['push() of many', () => Email.push(wrong([{ to: 'eve' }, { to: 'mal', category: 'a' }]))],
    ])('says in %s that the model has none', async (_, call) => {
      const error = await refusalOf(call);

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toBe(
        'Expected no `category` for Email, because its tasks have none. Write `taskQueue(schema, { category: true })` to give them one.',
      );
    });

    it.each([[[]], [new Set()], [5], [null], [['a', 5]], [{}], [new Map([['a', 'b']])]])(
      'says what is wrong with %p',
      async (category) => {
        for (const call of [
          () => Report.pop(wrong({ category })),
          () => Report.popMany(5, wrong({ category })),
          () => Report.queue(wrong({ category })),
          () => Report.isEmpty(wrong({ category })),
        ]) {
          const error = await refusalOf(call);
          expect(error).toBeInstanceOf(InvalidOptionError);
          expect(error.message).toContain('Expected `category` to be a text, or an array or Set of at least one, got ');
          expect(error.message).toContain("Write for example `category: 'reports'`");
        }
      },
    );
  });

  describe('for a number', () => {
    it.each([0, -1, 1.5, 1_001, Number.NaN, '5', undefined, null, {}])('says what popMany(%p) takes', async (limit) => {
      const error = await refusalOf(() => Email.popMany(wrong(limit)));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain('Expected `limit` to be a whole number of tasks from 1 to 1000, got ');
      expect(error.message).toContain('Write for example `popMany(100)`');
    });

    it.each([0, -1, 1.5, Number.NaN, 2 ** 31, '5', {}])('says what renew(%p) takes', async (leaseMs) => {
      const error = await refusalOf(() => held.renew(wrong(leaseMs)));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain(
        'Expected `leaseMs` to be a whole number of milliseconds from 1 to 2147483647, got ',
      );
    });

    it.each<[object, string]>([
      [{ pollMs: 0 }, 'Expected `pollMs` to be a whole number of milliseconds from 1 to 2147483647, got `0` (number)'],
      [{ pollMs: '5s' }, 'got "5s" (string)'],
      [{ signal: 'stop' }, 'Expected `signal` to be an AbortSignal, got "stop" (string)'],
      [
        { signal: new AbortController() },
        'got an object (AbortController). Write for example `signal: controller.signal`',
      ],
      [{ onError: true }, 'Expected `onError` to be a function, got `true` (boolean)'],
      [{ populate: 5 }, 'Expected `populate` to be a path or populate options with a `path`, got `5` (number)'],
    ])('says what is wrong with queue(%p), at once', async (options, message) => {
      expect(() => Email.queue(wrong(options))).toThrow(message);

      expect(await refusalOf(() => Email.queue(wrong(options)))).toBeInstanceOf(InvalidOptionError);
    });
  });

  describe('for a value', () => {
    const circle: Record<string, unknown> = {};
    circle['again'] = { circle };

    it.each<[unknown, string]>([
      [() => 1, 'Expected `value` to be a value that can be stored, got the function'],
      [Symbol('half'), '`Symbol(half)` (symbol)'],
      [10n ** 40n, '(bigint)'],
      [-(2n ** 63n) - 1n, '(bigint)'],
      [{ done: () => 1 }, 'Expected `value.done` to be'],
      [{ rows: [1, 2n ** 63n] }, 'Expected `value.rows.1` to be'],
      [circle, 'Expected `value.again.circle` to be'],
    ])('that cannot be stored: progress(%p)', async (value, message) => {
      for (const call of [() => held.progress(wrong(value)), () => progress(held, wrong(value))]) {
        const error = await refusalOf(call, held);

        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(message);
      }
    });

    it.each([
      [null],
      [2n ** 63n - 1n],
      [{ at: new Date(0), id: new Types.ObjectId(), rows: [1, { two: /x/ }], bytes: Buffer.from('a') }],
      [new Map([['a', 1]])],
    ])('but not progress(%p)', async (value) => {
      await held.progress(value);

      expect(held.lastProgress).toBe(value);
    });

    it('that is no session, by every verb that takes one', async () => {
      const session = wrong({});
      const calls: Record<string, Call> = {
        push: () => Email.push({ to: 'eve' }, { session }),
        'push of many': () => Email.push([{ to: 'eve' }, { to: 'bob' }], { session }),
        'push again': () => waiting.push({ session }),
        finish: () => held.finish({ session }),
        fail: () => held.fail('no', { session }),
        retry: () => held.retry({ session }),
        release: () => held.release({ session }),
      };

      for (const [name, call] of Object.entries(calls)) {
        const error = await refusalOf(call, held, waiting);
        expect({ name, error }).toMatchObject({ error: { name: 'InvalidOptionError' } });
        expect(error.message).toContain('Expected `session` to be a session');
      }
    });

    it.each<[unknown, string]>([
      ['', 'with a `path`, got "" (string)'],
      [{}, 'with a `path`, got an object (Object)'],
      [['to', { path: '' }], 'with a `path`, got an object (Object)'],
      [null, 'with a `path`, got `null`'],
      ['sender', 'got `sender`, which its schema does not have'],
      ['to sender.name', 'got `sender.name`, which its schema does not have'],
      [{ path: 'sender' }, "Correct it, or write `populate: { path: 'sender', strictPopulate: false }`"],
    ])('that names no path: populate: %j', async (populate, message) => {
      const options = wrong({ populate });
      const calls: Call[] = [
        () => Email.pop(options),
        () => Email.popMany(2, options),
        () => Email.queue(options),
        () => new Worker(Email, { handler: () => {}, ...(options as object) }),
      ];

      for (const call of calls) {
        const error = await refusalOf(call);
        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(message);
      }
    });

    it('but not a path of a kind, nor one that Mongoose is not to be strict about', async () => {
      const Base = database.connection.model('Base', taskQueue(new Schema({ n: Number })));
      Base.discriminator('Kind', new Schema({ email: { type: Schema.Types.ObjectId, ref: 'Email' } }));
      await Base.push({ n: 1 });

      expect(await Base.pop({ populate: 'email' })).toMatchObject({ n: 1 });
      expect(await Base.pop({ populate: { path: 'sender', strictPopulate: false } })).toBeNull();
    });

    it('says that `dependsOn` without the plugin has no effect', async () => {
      const source = { type: Schema.Types.ObjectId, ref: 'Email', dependsOn: 'DIRECT' };
      const Stray = database.connection.model('Stray', new Schema({ source }));

      const error = await refusalOf(() => push(Stray, {}));

      expect(error.message).toContain('`dependsOn` has no effect. Write `schema.plugin(taskQueue)`');
    });
  });

  describe('for the state of the task', () => {
    const settling = ['finish', 'fail'] as const;
    const holding = ['retry', 'release', 'renew'] as const;

    it.each(['its holder', 'somebody else'] as const)('says that %s cannot push a running task', async (who) => {
      const handle = who === 'its holder' ? held : await Email.findById(held._id).orFail();
      handle.result = 'changed';

      const error = await refusalOf(() => handle.push({ delayMs: 5 }), handle);

      expect(error).toBeInstanceOf(TaskStateError);
      expect(error).toMatchObject({ taskId: held._id, state: 'RUNNING' });
      expect(error.message).toBe(
        `Expected Email ${held.id} not to be RUNNING for \`push()\`. Who holds it can \`finish()\`, \`fail()\`, \`retry()\` or \`release()\` it.`,
      );
    });

    it.each(settling)("refuses %s() of somebody else's task", async (verb) => {
      const handle = await Email.findById(held._id).orFail();
      handle.result = 'changed';

      const error = await refusalOf(() => handle[verb](), handle);

      expect(error).toBeInstanceOf(LeaseLostError);
      expect(error).toMatchObject({ taskId: held._id });
      expect(error.message).toBe(
        `Expected Email ${held.id} to be held by this handle for \`${verb}()\`, but it is RUNNING for somebody else. Only who popped it can settle it.`,
      );
    });

    it.each([...settling, ...holding])('refuses %s() of a task that was taken over', async (verb) => {
      await endLease(Email, held._id);
      const next = (await Email.pop())!;
      held.result = 'changed';

      const error = await refusalOf(() => held[verb](), next);

      expect(next._id).toEqual(held._id);
      expect(error).toBeInstanceOf(LeaseLostError);
      expect(error.message).toBe(
        `Expected to hold Email ${held.id} for \`${verb}()\`, but its lease ended and it was taken over; it is RUNNING now. Leave it alone.`,
      );
    });

    it('refuses save() by the handle whose lease was lost', async () => {
      await endLease(Email, held._id);
      const next = (await Email.pop())!;
      held.result = 'changed';

      const error = await refusalOf(() => held.save(), next);

      expect(error).toBeInstanceOf(LeaseLostError);
      expect(error.message).toContain(`Expected to hold Email ${held.id} for \`save()\``);
    });

    describe.each(settling)('%s()', (verb) => {
      it.each<['PENDING' | 'FAILED' | 'FINISHED', string]>([
        ['PENDING', 'Call `push()` first.'],
        ['FAILED', 'Call `push()` to queue it again.'],
        ['FINISHED', 'Call `push()` to queue it again.'],
      ])('refuses a task that is %s', async (state, advice) => {
        await rawUpdate(Email, waiting._id, { $set: { state } });
        const read = await Email.findById(waiting._id).orFail();
        read.result = 'changed';

        // The producer's handle believes it to be CREATED, the other knows.
        for (const handle of [waiting, read]) {
          const error = await refusalOf(() => handle[verb](), read);

          expect(error).toBeInstanceOf(TaskStateError);
          expect(error).toMatchObject({ taskId: waiting._id, state });
          expect(error.message).toBe(
            `Expected Email ${waiting.id} to be CREATED for \`${verb}()\`, but it is ${state}. ${advice}`,
          );
        }
      });

      it('refuses a task that was deleted', async () => {
        await nativeOf(Email).deleteMany({});

        for (const handle of [held, waiting]) {
          const error = await refusalOf(() => handle[verb]());

          expect(error).toBeInstanceOf(TaskStateError);
          expect(error).toMatchObject({ taskId: handle._id, state: null });
          expect(error.message).toBe(`Expected Email ${handle.id} to exist for \`${verb}()\`, but it was deleted.`);
        }
      });

      it('refuses a task that was never stored', async () => {
        const fresh = new Email({ to: 'eve' });

        const error = await refusalOf(() => fresh[verb](), fresh);

        expect(error).toBeInstanceOf(TaskStateError);
        expect(error.message).toBe(
          `Expected Email ${fresh.id} to be in the queue, but it was never stored. Call \`push()\` first.`,
        );
      });

      it('refuses a document that is no task', async () => {
        await rawUpdate(Email, waiting._id, { $unset: { state: 1, _task: 1 } });
        const handle = await Email.findById(waiting._id).orFail();

        const error = await refusalOf(() => handle[verb](), handle);

        expect(error).toBeInstanceOf(TaskStateError);
        expect(error.message).toContain('but it is no task. Call `push()` first.');
      });
    });

    it.each(holding)('refuses %s() of a task that was not popped', async (verb) => {
      const fresh = new Email({ to: 'eve' });

      for (const handle of [waiting, fresh, await Email.findById(held._id).orFail()]) {
        const error = await refusalOf(() => handle[verb](), fresh);

        expect(error).toBeInstanceOf(TaskStateError);
        expect(error).toMatchObject({ taskId: handle._id });
        expect(error.message).toBe(
          `Expected Email ${handle.id} to be held by this handle for \`${verb}()\`, but it was not popped, or was settled already.`,
        );
      }
    });

    it('refuses push() of a task that was deleted', async () => {
      await nativeOf(Email).deleteMany({});
      waiting.to = 'changed';

      const error = await refusalOf(() => waiting.push());

      expect(error).toBeInstanceOf(TaskStateError);
      expect(error).toMatchObject({ taskId: waiting._id, state: null });
      expect(error.message).toBe(
        `Expected Email ${waiting.id} to be stored for \`push()\`, but it was deleted. Push a new document.`,
      );
    });
  });

  describe('for what is no task', () => {
    it.each([
      null,
      undefined,
      5,
      'ada',
      true,
      Symbol('ada'),
      () => {},
      [null],
      [['ada']],
      new Date(),
      new Types.ObjectId('0'.repeat(24)),
    ])('says that %p cannot be pushed', async (input) => {
      const error = await refusalOf(() => Email.push(wrong(input)));

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toContain('Expected `input` to be a document of Email or an object with its fields, got ');
      expect(error.message).toContain('Write for example `Email.push({ … })`');
    });

    it('says that a document of another model cannot be pushed', async () => {
      const report = new Report({ title: 'ada' });

      for (const other of [plain, report]) {
        const error = await refusalOf(() => Email.push(wrong(other)), report);

        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error.message).toContain(
          'Expected `input` to be a document of Email or an object with its fields, got ',
        );
      }
    });

    it('writes none of many when the last is wrong', async () => {
      const fresh = new Email({ to: 'eve' });

      const error = await refusalOf(() => Email.push(wrong([fresh, null])), fresh);

      expect(error).toBeInstanceOf(InvalidOptionError);
    });

    it.each<[string, Call]>([
      ['push of fields', () => push(wrong(Plain), wrong({ to: 'eve' }))],
      ['push of a document', () => push(wrong(plain))],
      ['pop', () => pop(Plain)],
      ['popMany', () => popMany(Plain, 5)],
      ['queue', () => queue(Plain)],
      ['isEmpty', () => isEmpty(Plain)],
      ['ensureTaskIndexes', () => ensureTaskIndexes(Plain)],
      ['stats', () => stats(Plain)],
      ['requeue', () => requeue(Plain, {})],
      ['finish', () => finish(plain)],
      ['fail', () => fail(plain, new Error('no'))],
      ['retry', () => retry(plain)],
      ['release', () => release(plain)],
      ['renew', () => renew(plain)],
    ])('says in %s that the model is no task queue', async (_, call) => {
      plain.to = 'changed';

      const error = await refusalOf(call);

      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toBe(
        'The model Plain is no task queue. Write `schema.plugin(taskQueue)` before it is compiled.',
      );
    });

    it.each([undefined, null, 5, 'Email', {}, () => {}])(
      'says that %p is neither model nor document',
      async (given) => {
        const verbs = [pop, queue, isEmpty, ensureTaskIndexes, stats, push, finish, fail, retry, release, renew];

        for (const verb of [...verbs, (model: never) => popMany(model, 5)]) {
          const error = await refusalOf(() => (verb as (model: never) => unknown)(wrong(given)));

          expect(error).toBeInstanceOf(InvalidOptionError);
          expect(error.message).toContain('is no task queue. Write `schema.plugin(taskQueue)` before it is compiled.');
        }
      },
    );

    it('says that a lean object is no document', async () => {
      const lean = await Email.findById(held._id).lean().orFail();

      const error = await refusalOf(() => finish(wrong(lean)));

      expect(error).toBeInstanceOf(InvalidOptionError);
    });
  });

  it('for an old server says which one is needed', async () => {
    const clock = new ServerClock(() => Promise.resolve({ localTime: new Date(), maxWireVersion: 13 }));

    const error = await refusalOf(() => clock.now());

    expect(error).toBeInstanceOf(UnsupportedServerError);
    expect(error.message).toBe(
      'Expected MongoDB 6.0 or newer, got a server with wire version 13 (6.0 has 17). Upgrade the server.',
    );
  });
});

async function bytesOf(model: AnyModel): Promise<string[]> {
  const documents = await nativeOf(model).find({}, { raw: true }).toArray();
  return documents.map((bytes) => (bytes as unknown as Buffer).toString('hex'));
}

function looksOf(document: Document): object {
  const { isNew } = document;
  return {
    isNew,
    modified: document.modifiedPaths(),
    fields: document.toObject(),
    lease: lease(document as HydratedDocument<object>),
  };
}
