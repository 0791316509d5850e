import mongoose, { Schema, type Connection, type HydratedDocument, type InferSchemaType, mongo } from 'mongoose';
import { LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { startProxy, type Proxy } from '../support/proxy';
import { endLease, rawUpdate, stored } from '../support/raw';
import { seen } from '../support/seen';

const schema = () =>
  new Schema({ name: { type: String, unique: true }, size: { type: Number, min: 0 }, copies: [String] });
type Fields = InferSchemaType<ReturnType<typeof schema>>;

describe('tasks with changed fields that end in the same moment', () => {
  const database = useDatabase();
  const make = (connection: Connection) => connection.model('Email', taskQueue(schema(), { backoff: () => 60_000 }));
  let monitored: MonitoredConnection;
  let proxy: Proxy;
  let cut: Connection;
  let Email: ReturnType<typeof make>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Email = make(monitored.connection);
    await Email.init();
    proxy = await startProxy(database.uri);
    cut = await openConnection(proxy.uri);
    make(cut);
  });

  afterAll(async () => {
    await cut.destroy();
    await proxy.close();
  });

  const held = async (count: number, Model = Email) => {
    await Email.deleteMany({});
    await Email.push(Array.from({ length: count }, (_, index) => ({ name: `${index}`, size: index })));
    const tasks = await Model.popMany(count);
    monitored.forget();
    return tasks as HydratedDocument<Fields & { state: State }> & typeof tasks;
  };

  /** What the collection takes. */
  const rule = (validator: object) => database.connection.db!.command({ collMod: 'emails', validator });

  const outcomes = async (work: Promise<unknown>[]) =>
    (await Promise.allSettled(work)).map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as Error).name));

  it('are one write, however they end', async () => {
    const tasks = await held(6);
    for (const task of tasks) task.size = 7;
    tasks[4]!.copies.push('bob');

    const [first, second, third, fourth, fifth, sixth] = tasks;
    await Promise.all([
      first!.finish(),
      second!.fail('no'),
      third!.retry({ error: 'later' }),
      fourth!.release(),
      fifth!.finish(),
      sixth!.retry(),
    ]);

    expect(monitored.all().map(({ name, body }) => [name, (body['updates'] as []).length])).toEqual([['update', 6]]);
    const found = await Promise.all(tasks.map(({ _id }) => stored(Email, _id)));
    expect(found.map(({ state, size, __v: version }) => [state, size, version])).toEqual([
      ['FINISHED', 7, 0],
      ['FAILED', 7, 0],
      ['CREATED', 7, 0],
      ['CREATED', 7, 0],
      ['FINISHED', 7, 1],
      ['CREATED', 7, 0],
    ]);
    expect(found.map(({ _task: { errors = [] } }) => (errors as unknown[]).length)).toEqual([0, 1, 1, 0, 0, 0]);
  });

  it('are one write where their attempts failed without a change', async () => {
    const tasks = await held(3);

    await Promise.all(tasks.map((task) => task.retry({ error: new Error(`of ${task.name}`) })));

    expect(monitored.all().map(({ name }) => name)).toEqual(['update']);
    for (const task of tasks) {
      expect(seen(task)).toMatchObject({ state: State.CREATED, lease: null });
      expect((await stored(Email, task._id))['_task'].errors).toMatchObject([{ message: `of ${task.name}` }]);
    }
  });

  it('fail alone where the server refuses one', async () => {
    const tasks = await held(4);
    for (const task of tasks) task.size = 7;
    tasks[1]!.name = '0';

    const ended = tasks.map((task) => task.finish());

    await expect(ended[1]).rejects.toMatchObject({ name: 'MongoServerError', code: 11_000, keyValue: { name: '0' } });
    expect(await outcomes(ended)).toEqual(['done', 'MongoServerError', 'done', 'done']);
    expect(tasks.map(({ state }) => state)).toEqual(['FINISHED', 'RUNNING', 'FINISHED', 'FINISHED']);
    expect(tasks[1]!.directModifiedPaths().sort()).toEqual(['name', 'size']);
    expect(await stored(Email, tasks[1]!._id)).toMatchObject({ name: '1', size: 1, state: 'RUNNING' });
    tasks[1]!.name = 'of its own';
    await tasks[1]!.finish();
    expect(await stored(Email, tasks[1]!._id)).toMatchObject({ name: 'of its own', size: 7, state: 'FINISHED' });
  });

  it('fail alone where one is too large to be sent', async () => {
    const tasks = await held(3);
    for (const task of tasks) task.size = 7;
    tasks[2]!.copies.push('x'.repeat(17 * 1024 * 1024));

    const ended = await outcomes(tasks.map((task) => task.finish()));

    expect(ended.slice(0, 2)).toEqual(['done', 'done']);
    expect(ended[2]).not.toBe('done');
    expect(tasks[2]!.directModifiedPaths().sort()).toEqual(['copies', 'size']);
    expect((await stored(Email, tasks[2]!._id))['state']).toBe('RUNNING');
  });

  it('fail alone where one is not valid', async () => {
    const tasks = await held(3);
    for (const task of tasks) task.size = 7;
    tasks[0]!.size = -1;

    expect(await outcomes(tasks.map((task) => task.finish()))).toEqual(['ValidationError', 'done', 'done']);

    expect(await stored(Email, tasks[0]!._id)).toMatchObject({ size: 0, state: 'RUNNING' });
  });

  it('tell of a lost lease who lost it', async () => {
    const tasks = await held(3);
    await endLease(Email, tasks[1]!._id);
    const other = (await Email.pop())!;
    for (const task of tasks) task.copies.push('bob');
    const ended = tasks.map((task) => task.finish());

    await expect(ended[1]).rejects.toThrow(LeaseLostError);

    expect(await outcomes(ended)).toEqual(['done', 'LeaseLostError', 'done']);
    expect(tasks[1]!.directModifiedPaths()).toEqual(['copies']);
    expect(await stored(Email, other._id)).toMatchObject({ copies: [], state: 'RUNNING' });
    expect(tasks.map((task) => task.get('__v') as number)).toEqual([1, 0, 1]);
  });

  it('tell of a changed version whose it was', async () => {
    const tasks = await held(3);
    await rawUpdate(Email, tasks[1]!._id, { $inc: { __v: 1 } });
    for (const task of tasks) task.copies = ['bob'];

    expect(await outcomes(tasks.map((task) => task.finish()))).toEqual(['done', 'VersionError', 'done']);

    expect(seen(tasks[1]!)).toMatchObject({ state: State.RUNNING, lease: { attempt: 1 } });
  });

  it('are written once where the answer is lost', async () => {
    const Cut = cut.model('Email') as typeof Email;
    const tasks = await held(3, Cut);
    for (const task of tasks) {
      task.copies.push('bob');
      task.$inc('size', 5);
    }
    const lost = proxy.loseReplyTo('update');

    await Promise.all(tasks.map((task, index) => (index === 1 ? task.retry() : task.finish())));

    await lost;
    for (const [index, task] of tasks.entries()) {
      expect(await stored(Email, task._id)).toMatchObject({ copies: ['bob'], size: index + 5, __v: 1 });
      expect(task.modifiedPaths()).toEqual([]);
    }
  });

  it('are not taken for an earlier write of the same handle, whose answer was lost', async () => {
    const Cut = cut.model('Email') as typeof Email;
    const [task, other] = await held(2, Cut);
    const session = await cut.startSession();
    task!.size = 3;
    task!.copies.push('bob');
    const lost = proxy.loseReplyTo('update');
    await expect(task!.finish({ session })).rejects.toThrow();
    await lost;
    await session.endSession();

    task!.size = 4;
    other!.size = 4;
    await Promise.all([task!.finish(), other!.finish()]);

    // The handle has what is stored.
    expect(await stored(Email, task!._id)).toMatchObject({ size: 3, copies: ['bob'] });
    expect(seen(task!)).toMatchObject({ state: State.FINISHED, size: 3, copies: ['bob'] });
    expect(await stored(Email, other!._id)).toMatchObject({ size: 4, state: 'FINISHED' });
  });

  it('write a task once that is ended twice', async () => {
    const [task] = await held(1);
    task!.copies.push('bob');

    expect(await outcomes([task!.finish(), task!.finish()])).toEqual(['done', 'done']);

    expect(await stored(Email, task!._id)).toMatchObject({ copies: ['bob'], state: 'FINISHED', __v: 1 });
    task!.copies.push('cleo');
    await task!.save();
    expect((await stored(Email, task!._id))['copies']).toEqual(['bob', 'cleo']);
  });

  it('are joined where the filter of the user matches, and fail where it does not', async () => {
    const tasks = await held(3);
    for (const task of tasks) {
      task.$where = { size: { $lt: 2 } };
      task.name = `${task.name} changed`;
    }

    expect(await outcomes(tasks.map((task) => task.finish()))).toEqual(['done', 'done', 'DocumentNotFoundError']);

    expect(tasks.map(({ $where }) => $where)).toEqual(Array(3).fill({ size: { $lt: 2 } }));
    expect((await stored(Email, tasks[2]!._id))['state']).toBe('RUNNING');
  });

  it('go alone where a hook gives them a session', async () => {
    const session = await monitored.connection.startSession();
    const hooked = schema();
    hooked.pre('save', function (this: mongoose.Document) {
      if (this.get('size') === 7) this.$session(session);
    });
    const Hooked = monitored.connection.model('Hooked', taskQueue(hooked));
    await Hooked.push([{ name: 'a' }, { name: 'b' }]);
    const [first, second] = await Hooked.popMany(2);
    monitored.forget();

    first!.size = 7;
    second!.size = 8;
    await Promise.all([first!.finish(), second!.finish()]);

    const sessions = monitored.sent('update').map(({ body }) => body['lsid'] as { id: mongo.Binary });
    expect(sessions).toHaveLength(2);
    expect(sessions.filter(({ id }) => id.toString() === (session.id!['id'] as mongo.Binary).toString())).toHaveLength(
      1,
    );
    expect(await Hooked.countDocuments({ state: State.FINISHED })).toBe(2);
    await session.endSession();
  });

  it('fail alone where the rules of the collection refuse one', async () => {
    const tasks = await held(3);
    for (const [index, task] of tasks.entries()) task.size = index === 1 ? 200 : 7;
    await rule({ size: { $lt: 100 } });

    const ended = tasks.map((task) => task.finish());

    await expect(ended[1]).rejects.toMatchObject({ name: 'MongoServerError', code: 121 });
    expect(await outcomes(ended)).toEqual(['done', 'MongoServerError', 'done']);
    await rule({});
    await tasks[1]!.finish();
    expect(await stored(Email, tasks[1]!._id)).toMatchObject({ size: 200, state: 'FINISHED' });
  });

  it('can be saved once more by a hook after the save', async () => {
    const hooked = schema();
    hooked.post('save', async function (this: mongoose.HydratedDocument<Fields>) {
      if (this.size !== 7) return;
      this.size = 8;
      await this.save();
    });
    const Twice = monitored.connection.model('Twice', taskQueue(hooked));
    await Twice.push([{ name: 'a' }, { name: 'b' }]);
    const tasks = await Twice.popMany(2);

    for (const task of tasks) task.size = 7;
    await Promise.all(tasks.map((task) => task.finish()));

    expect(await Twice.countDocuments({ state: State.FINISHED, size: 8 })).toBe(2);
    expect(tasks.map((task) => task.modifiedPaths())).toEqual([[], []]);
  });

  it('cannot be saved once more by a hook after the save where somebody else holds the task by then', async () => {
    const hooked = schema();
    hooked.post('save', async function (this: mongoose.HydratedDocument<Fields>) {
      if (this.size !== 7) return;
      await Late.pop();
      this.size = 8;
      await this.save();
    });
    const Late = monitored.connection.model('Late', taskQueue(hooked, { backoff: () => 0 }));
    await Late.push({ name: 'a' });
    const [task] = await Late.popMany(1);

    task!.size = 7;
    const retried = task!.retry();

    await expect(retried).rejects.toMatchObject({ name: 'DocumentNotFoundError' });
    expect(await stored(Late, task!._id)).toMatchObject({ state: 'RUNNING', size: 7, _task: { claims: 2 } });
    expect(task!.$where).toBeUndefined();
  });

  it('are written by one command for each model', async () => {
    const Kind = Email.discriminator('Letter', new Schema({ stamps: Number }));
    const Other = monitored.connection.model('Other', taskQueue(schema()));
    const emails = await held(2);
    await Kind.push([{ name: 'k' }, { name: 'l' }]);
    await Other.push([{ name: 'm' }, { name: 'n' }]);
    const tasks = [...emails, ...(await Kind.popMany(2)), ...(await Other.popMany(2))];
    monitored.forget();

    for (const task of tasks) task.set('size', 7);
    await Promise.all(tasks.map((task) => task.finish()));

    const sent = monitored.sent('update').map(({ body }) => [body['update'], (body['updates'] as []).length]);
    // One statement, since they were claimed together and the same fields are set.
    expect(sent.sort()).toEqual([
      ['emails', 1],
      ['emails', 1],
      ['others', 1],
    ]);
    expect(await Email.countDocuments({ state: State.FINISHED, size: 7 })).toBe(4);
    expect(await Other.countDocuments({ state: State.FINISHED, size: 7 })).toBe(2);
  });

  it('are one statement for a hundred of a claim whose same fields are set, each with its own values', async () => {
    const tasks = await held(150);

    for (const [index, task] of tasks.entries()) {
      task.size = 1_000 + index;
      if (index >= 120) task.name = `$name ${index}`;
    }
    tasks[119]!.name = 'x'.repeat(20_000);
    await Promise.all(tasks.map((task) => task.finish()));

    const [{ body }] = monitored.sent('update') as [ReturnType<typeof monitored.sent>[0]];
    const statements = (body['updates'] as { q: { _id: { $in?: unknown[] } } }[]).map(({ q }) => q._id.$in?.length);
    expect(monitored.sent('update')).toHaveLength(1);
    expect(statements.toSorted()).toEqual([100, 19, 30, undefined]);
    const ended = await Email.find({ state: State.FINISHED }).sort({ size: 1 });
    expect(ended.map(({ size }) => size)).toEqual(tasks.map((_, index) => 1_000 + index));
    expect(ended.map(({ name }) => name!.slice(0, 9)).slice(118, 122)).toEqual([
      '118',
      'xxxxxxxxx',
      '$name 120',
      '$name 121',
    ]);
  });

  it('are told apart where a part of a statement was carried out before it was refused', async () => {
    const tasks = await held(4);
    for (const [index, task] of tasks.entries()) task.size = index === 2 ? 200 : 7;
    await rule({ size: { $lt: 100 } });
    await endLease(Email, tasks[3]!._id);
    await Email.pop();

    const ended = await outcomes(tasks.map((task) => task.finish()));
    await rule({});

    expect(ended).toEqual(['done', 'done', 'MongoServerError', 'LeaseLostError']);
    expect(tasks.map((task) => task.modifiedPaths())).toEqual([[], [], ['size'], ['size']]);
    expect(await Email.countDocuments({ state: State.FINISHED, size: 7 })).toBe(2);
  });

  it('go alone where their schema is encrypted, since the driver encrypts one update of a command', async () => {
    const Secret = monitored.connection.model('Secret', taskQueue(schema()));
    await Secret.push([{ name: 'a' }, { name: 'b' }]);
    const tasks = await Secret.popMany(2);
    (Secret.schema as unknown as { options: object }).options = { ...Secret.schema.options, encryptionType: 'csfle' };
    monitored.forget();

    tasks[0]!.size = 7;
    await Promise.all([tasks[0]!.finish(), tasks[1]!.finish()]);

    expect(monitored.sent('update').map(({ body }) => (body['updates'] as []).length)).toEqual([1, 1]);
    expect(await Secret.countDocuments({ state: State.FINISHED })).toBe(2);
  });

  it('go alone where a hook asks for another write concern', async () => {
    const hooked = schema();
    hooked.pre('save', function (this: mongoose.Document) {
      const { $__ } = this as unknown as { $__: { saveOptions: { writeConcern?: object } } };
      if (this.get('size') === 7) $__.saveOptions.writeConcern = { w: 1, wtimeout: 5_000 };
    });
    const Slow = monitored.connection.model('Slow', taskQueue(hooked));
    await Slow.push([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    const tasks = await Slow.popMany(3);
    monitored.forget();

    for (const [index, task] of tasks.entries()) task.size = 7 + index;
    await Promise.all(tasks.map((task) => task.finish()));

    const sent = monitored.sent('update').map(({ body }) => [(body['updates'] as []).length, body['writeConcern']]);
    expect(sent).toHaveLength(2);
    expect(sent).toContainEqual([1, { w: 1, wtimeout: 5_000 }]);
    expect(await Slow.countDocuments({ state: State.FINISHED })).toBe(3);
  });

  it('fail together, without another try, where Mongoose does not send them', async () => {
    const tasks = await held(2);
    const native = Email.collection as unknown as Record<'bulkWrite' | 'updateOne', () => Promise<unknown>>;
    const unsent = new mongoose.Error('Operation `emails.bulkWrite()` buffering timed out after 10000ms');
    const together = jest.spyOn(native, 'bulkWrite').mockRejectedValueOnce(unsent);
    const alone = jest.spyOn(native, 'updateOne');

    for (const task of tasks) task.size = 7;
    const ended = await outcomes(tasks.map((task) => task.finish()));
    const calls = [together.mock.calls.length, alone.mock.calls.length];
    jest.restoreAllMocks();

    expect(ended).toEqual(['MongooseError', 'MongooseError']);
    expect(calls).toEqual([1, 0]);
    expect(tasks.map((task) => task.modifiedPaths())).toEqual([['size'], ['size']]);
    await Promise.all(tasks.map((task) => task.finish()));
    expect(await Email.countDocuments({ state: State.FINISHED, size: 7 })).toBe(2);
  });

  it('are saved one by one by a Mongoose that cannot be asked otherwise', async () => {
    const Plain = monitored.connection.model('Plain', taskQueue(schema()));
    const key = Object.getOwnPropertySymbols(Plain.prototype).find((one) => String(one).includes('collection'))!;
    const described = Object.getOwnPropertySymbols;
    const hidden = jest
      .spyOn(Object, 'getOwnPropertySymbols')
      .mockImplementation((of: object) => described(of).filter((one) => one !== key));
    await Plain.push([{ name: 'a' }, { name: 'b' }]);
    const tasks = await Plain.popMany(2);
    monitored.forget();

    for (const task of tasks) task.size = 7;
    await Promise.all(tasks.map((task) => task.finish()));
    hidden.mockRestore();

    expect(monitored.sent('update')).toHaveLength(2);
    expect(await Plain.countDocuments({ state: State.FINISHED, size: 7 })).toBe(2);
  });
});
