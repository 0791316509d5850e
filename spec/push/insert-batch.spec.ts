import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { monitoredConnection, type MonitoredConnection } from '../support/commands';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';
import { startProxy } from '../support/proxy';

const MANY = 20;

describe('pushes that come at the same moment', () => {
  const database = useDatabase();
  const makeEmail = (connection = database.connection) =>
    connection.model(
      'Email',
      taskQueue(new Schema({ to: { type: String, unique: true, required: true }, text: String })),
    );
  let monitored: MonitoredConnection;
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    monitored = await monitoredConnection(database.uri);
    Email = makeEmail(monitored.connection);
    await Email.init();
    await Email.ensureTaskIndexes();
  });

  beforeEach(async () => {
    await Email.deleteMany({});
    monitored.forget();
  });

  const inputs = (count = MANY) => Array.from({ length: count }, (_, index) => ({ to: `${index}@example.org` }));

  it('are written together, and handed out in their order', async () => {
    const pushed = await Promise.all(inputs().map((input) => Email.push(input)));

    expect(monitored.sent('insert')).toHaveLength(1);
    expect(pushed.map(({ isNew }) => isNew)).toEqual(pushed.map(() => false));
    const popped = await Email.popMany(MANY);
    expect(popped.map(({ to }) => to)).toEqual(inputs().map(({ to }) => to));
  });

  it('are collected while others are written', async () => {
    const first = Email.push({ to: 'first@example.org' });
    const others = inputs().map((input) => Email.push(input));

    await Promise.all([first, ...others]);

    expect(monitored.sent('insert').length).toBeLessThanOrEqual(2);
    expect(await Email.countDocuments()).toBe(MANY + 1);
  });

  it('are refused one by one, with the error of a single insert', async () => {
    await nativeOf(Email).insertOne({ to: '3@example.org' });

    const outcomes = await Promise.allSettled(inputs().map((input) => Email.push(input)));

    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject([
      { reason: { name: 'MongoServerError', code: 11_000, keyPattern: { to: 1 }, keyValue: { to: '3@example.org' } } },
    ]);
    expect(outcomes[3]!.status).toBe('rejected');
    expect(await Email.countDocuments({ state: 'CREATED' })).toBe(MANY - 1);
  });

  it('do not suffer from one that the driver refuses to send', async () => {
    const tooLarge = { to: 'large@example.org', text: 'x'.repeat(17 * 1_048_576) };

    const outcomes = await Promise.allSettled([...inputs(3), tooLarge].map((input) => Email.push(input)));

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(await Email.countDocuments()).toBe(3);
  });

  it('return one live task for one key', async () => {
    const pushed = await Promise.all(inputs().map((input) => Email.push(input, { key: 'one' })));

    expect(new Set(pushed.map(({ id }) => id as string)).size).toBe(1);
    expect(await Email.countDocuments()).toBe(1);
  });

  it('are all told when the answer is lost', async () => {
    const proxy = await startProxy(database.uri);
    const connection = await openConnection(proxy.uri, { retryWrites: false });
    const Letter = makeEmail(connection);
    await Letter.ensureTaskIndexes();
    await Letter.isEmpty();

    const lost = proxy.loseReplyTo('insert');
    const outcomes = await Promise.allSettled(inputs().map((input) => Letter.push(input)));
    await lost;

    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => 'rejected'));
    await connection.destroy();
    await proxy.close();
  });
});
