import { Schema } from 'mongoose';
import { DependencyType, taskQueue } from 'mongoose-task-queue';
import { commandLine } from '../support/cli';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

const { ObjectId } = Schema.Types;

describe('the command line with nothing but a URI', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const Order = connection.model('Order', new Schema({ status: String }));
    const Email = connection.model(
      'Email',
      taskQueue(
        new Schema({
          to: String,
          order: { type: ObjectId, ref: 'Order', dependsOn: { type: DependencyType.DIRECT, when: { status: 'paid' } } },
        }),
        { category: true, expireAfterSeconds: 3_600 },
      ),
    );
    const Renamed = connection.model(
      'Renamed',
      taskQueue(new Schema({ _id: String, state: Number }), {
        fields: { state: 'taskState', priority: 'rank' },
        expireAfterSeconds: { finished: 60 },
      }),
    );
    const Base = connection.model('Base', new Schema({}, { discriminatorKey: 'sort' }));
    const Kind = Base.discriminator('Kind', taskQueue(new Schema({ n: Number })) as never) as unknown as typeof Renamed;

    return { Order, Email, Renamed, Kind };
  };
  let models: ReturnType<typeof makeModels>;

  beforeAll(async () => {
    models = makeModels();
    const { Email, Renamed, Kind } = models;
    for (const Model of [Email, Renamed, Kind]) await Model.ensureTaskIndexes();
    await Email.push({ to: 'ada@example.org', category: 'news' });
    await Renamed.push({ _id: 'one' });
    await Kind.push({});
    await nativeOf(models.Order).insertOne({ status: 'open' });
  });

  const cli = (...argv: string[]) => commandLine([...argv, '--uri', database.uri]);

  it('finds the collections that are queues, and counts', async () => {
    const { code, json } = await cli('stats', '--json');

    expect(code).toBe(0);
    expect(json.map(({ model, ready }: any) => [model, ready])).toEqual([
      ['bases.Kind', 1],
      ['emails', 1],
      ['renameds', 1],
    ]);
  });

  it('lists tasks under whatever names their fields have', async () => {
    expect((await cli('list', '--model', 'emails', 'to:ada*')).out).toContain('ada@example.org');
    expect((await cli('list', '--model', 'renameds')).out).toContain('one  CREATED');
    expect((await cli('show', 'one', '--json')).json).toMatchObject({ model: 'renameds', row: { state: 'CREATED' } });
  });

  it('changes nothing: no index, no expiry, no task', async () => {
    const { Email } = models;
    const indexes = await nativeOf(Email).indexes();

    for (const command of [['stats'], ['doctor'], ['list'], ['workers']]) expect((await cli(...command)).code).toBe(0);

    expect(await nativeOf(Email).indexes()).toEqual(indexes);
  });

  it.each([
    ['retry', '--yes'],
    ['cancel', '--state', 'ready', '--yes'],
    ['pause', '--model', 'emails'],
    ['resume', '--model', 'emails'],
    ['doctor', '--fix'],
  ])('%s is refused, and says what it needs', async (...argv) => {
    const { code, err } = await cli(...argv);

    expect(code).toBe(2);
    expect(err).toContain('--require');
  });

  it('says that an index is missing, and does not create it', async () => {
    const { Email } = models;
    await nativeOf(Email).dropIndex('task_ended');

    const { code, err } = await cli('stats', '--model', 'emails');
    const doctor = await cli('doctor');

    expect(code).toBe(1);
    expect(err).toContain('`doctor` names it');
    expect(doctor.code).toBe(1);
    expect(doctor.out).toContain('emails lacks the index task_ended');
    expect(await nativeOf(Email).indexExists('task_ended')).toBe(false);
    await Email.ensureTaskIndexes();
  });

  it('finds tasks where all indexes are gone', async () => {
    const bare = database.connection.collection('bare');
    await bare.insertOne({ state: 'CREATED', _task: { dueAt: new Date(), availableAt: new Date() } });

    const { out } = await cli('doctor', '--model', 'bare');

    await bare.drop();
    expect(out).toContain('bare lacks the index task_claim');
  });

  it('tells what a task waits for by the marks there are', async () => {
    const { Order, Email } = models;
    const order = await Order.create({ status: 'open' });
    const email = await Email.push({ to: 'bob', order: order._id });

    const { out } = await cli('why', String(email._id));

    expect(out).toContain(`orders ${String(order._id)}, whose status is "open"`);
  });

  it('says that there is no queue', async () => {
    const { code, err } = await commandLine(['stats', '--uri', `${database.uri}_other`]);

    expect(code).toBe(1);
    expect(err).toContain('is a queue');
  });

  it('says that the server is out of reach', async () => {
    const { code, err } = await commandLine(['stats', '--uri', 'mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=100']);

    expect(code).toBe(1);
    expect(err).toContain('ECONNREFUSED');
  });
});
