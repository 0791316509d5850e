import { type Connection, Schema } from 'mongoose';
import { Priority, State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { nativeOf, stored } from '../support/raw';

describe('a push of documents that are stored', () => {
  const database = useDatabase();
  const makeEmail = (connection: Connection) =>
    connection.model(
      'Email',
      taskQueue(new Schema({ to: String, size: { type: Number, max: 10 } }, { timestamps: true })),
    );
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    Email = makeEmail(database.connection);
    await Email.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Email).deleteMany({}));

  const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
  const save = async (count: number) => {
    await Email.insertMany(numbers(count).map((number) => ({ to: String(number) })));
    return Email.find().sort({ _id: 1 });
  };

  it('is one write for each thousand', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Monitored = makeEmail(monitored.connection);
    await save(2_500);
    const emails = await Monitored.find().sort({ _id: 1 });
    await Monitored.isEmpty();
    monitored.forget();

    expect(await Monitored.push(emails)).toEqual(emails);

    expect(monitored.sent('update')).toHaveLength(3);
    expect(monitored.all().filter(({ name }) => name !== 'update')).toEqual([]);
    expect(emails.every(({ state, pushOutcome }) => state === 'CREATED' && pushOutcome === 'queued')).toBe(true);
    expect(emails.some((email) => email.isModified())).toBe(false);
    expect(await Email.stats()).toMatchObject({ ready: 2_500 });
  });

  it('hands them out in the order of their ids', async () => {
    const emails = await save(5);

    await Email.push(emails.toReversed());

    expect((await Email.popMany(5)).map(({ to }) => to)).toEqual(['0', '1', '2', '3', '4']);
  });

  it('leaves documents as a push of one does', async () => {
    const [alone, ...others] = await save(3);
    await alone!.push();
    await Email.push(others);

    const [one, two] = await Promise.all([alone!, others[0]!].map(({ _id }) => stored(Email, _id)));
    expect(Object.keys(two!['_task'] as object).toSorted()).toEqual(Object.keys(one!['_task'] as object).toSorted());
    expect(Object.keys(two!).toSorted()).toEqual(Object.keys(one!).toSorted());
    expect(others[0]!.updatedAt).toEqual(two!['updatedAt']);
    await others[0]!.fail(new Error('no such mailbox'));
    expect((await stored(Email, others[0]!._id))['state']).toBe('FAILED');
  });

  it('gives those from before the plugin the priority and the time of a new task', async () => {
    const Old = database.connection.model('Old', taskQueue(new Schema({ to: String })));
    await nativeOf(Old).insertMany([{ to: 'old' }, { to: 'older' }]);

    await Old.push(await Old.find());

    const found = await nativeOf(Old).find().toArray();
    expect(found).toMatchObject(Array(2).fill({ state: 'CREATED', priority: Priority.MEDIUM }));
    expect(found.every(({ createdAt }) => createdAt instanceof Date)).toBe(true);
    expect(await Old.popMany(5)).toHaveLength(2);
  });

  it('saves what was modified, and queues new ones as well', async () => {
    const emails = await save(3);
    emails[1]!.to = 'changed';

    const pushed = await Email.push([emails[0]!, new Email({ to: 'new' }), emails[1]!, emails[2]!]);

    expect(pushed.map(({ to, state }) => [to, state])).toEqual(
      ['0', 'new', 'changed', '2'].map((to) => [to, State.CREATED]),
    );
    expect(await Email.countDocuments({ to: 'changed', state: 'CREATED' })).toBe(1);
  });

  it('rejects for one that runs, and queues the others', async () => {
    await Email.push({ to: 'running' });
    const running = (await Email.pop())!;
    const emails = await save(3);
    const other = await Email.findById(running._id);

    await expect(Email.push([...emails.filter(({ to }) => to !== 'running'), other!])).rejects.toMatchObject({
      name: 'TaskStateError',
      taskId: running._id,
    });

    expect(await Email.stats()).toMatchObject({ ready: 3, running: 1 });
  });

  it('finds out which of them another has taken out of the queue meanwhile, and which a worker has claimed', async () => {
    const emails = await save(4);
    const collection = nativeOf(Email);
    const { updateMany } = collection;
    jest.spyOn(collection, 'updateMany').mockImplementationOnce(async (filter, update, options) => {
      await collection.deleteOne({ _id: emails[3]!._id });
      const written = await updateMany.call(collection, filter, update as object, options);
      await Email.pop();
      return written;
    });

    await expect(Email.push(emails)).rejects.toMatchObject({ name: 'TaskStateError', taskId: emails[3]!._id });

    expect(await Email.stats()).toMatchObject({ ready: 2, running: 1 });
    expect(emails.slice(0, 3).every(({ pushOutcome }) => pushOutcome === 'queued')).toBe(true);
  });

  it('counts one document that is given twice once', async () => {
    const [email] = await save(1);

    await Email.push([email!, email!]);

    expect(await Email.popMany(5)).toHaveLength(1);
  });
});

describe('a push of stored documents in a transaction', () => {
  const database = useDatabase('replicaSet');

  it('is undone with it', async () => {
    const Letter = database.connection.model('Letter', taskQueue(new Schema({ to: String })));
    await Letter.ensureTaskIndexes();
    const letters = await Letter.insertMany([{ to: 'a' }, { to: 'b' }]);

    await expect(
      database.connection.transaction(async (session) => {
        await Letter.push(letters, { session });
        expect(letters.map(({ state }) => state)).toEqual(['CREATED', 'CREATED']);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');

    expect(letters.map(({ state }) => state)).toEqual(['PENDING', 'PENDING']);
    expect(await Letter.countDocuments({ state: 'CREATED' })).toBe(0);
    await Letter.push(letters);
    expect(await Letter.popMany(5)).toHaveLength(2);
  });
});
