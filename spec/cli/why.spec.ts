import { Schema, Types } from 'mongoose';
import { DependencyType, taskQueue } from 'mongoose-task-queue';
import { commandLine } from '../support/cli';
import { useDatabase } from '../support/database';
import { endLease, nativeOf, rawUpdate } from '../support/raw';

const { ObjectId } = Schema.Types;
const DAY_MS = 86_400_000;

describe('why', () => {
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
          after: {
            type: [{ type: ObjectId, ref: 'Email' }],
            dependsOn: { type: DependencyType.ALL_OF, onFailed: 'fail' },
          },
        }),
        { maxAttempts: 2, category: true },
      ),
    );

    return { Order, Email };
  };
  type Models = ReturnType<typeof makeModels>;
  let Order: Models['Order'];
  let Email: Models['Email'];

  beforeAll(() => {
    ({ Order, Email } = makeModels());
  });
  beforeEach(async () => {
    await nativeOf(Email).deleteMany({});
    await Email.resume();
  });

  async function why({ _id: id }: { _id: unknown }): Promise<string> {
    const { code, json } = await commandLine(['why', String(id), '--json'], [Email]);
    expect({ code, error: json.error }).toEqual({ code: 0, error: undefined });

    return json.reasons.join('\n');
  }

  it('of a task that was not pushed', async () => {
    expect(await why(await Email.create({}))).toContain('not pushed');
  });

  it('of a ready task that nobody works: says so, and how many come before it', async () => {
    await Email.push({ priority: 3 });
    const task = await Email.push({});

    expect(await why(task)).toMatch(/^It is ready since .*; 1 task comes before it\.\nNobody works Email/);
  });

  it('of a ready task while all workers are busy', async () => {
    const side = database.connection.collection('emails.queue');
    const worker = {
      id: 'w',
      host: 'box',
      pid: 7,
      models: ['Email'],
      concurrency: 4,
      running: 4,
      held: 4,
      since: new Date(),
    };
    await side.insertOne({ worker, beat: new Date() });

    const said = await why(await Email.push({}));

    await side.deleteMany({ worker: { $exists: true } });
    expect(said).toContain('1 worker (box) works the queue, with 4 of 4 slots busy');
    expect(said).toContain('more of them would help');
  });

  it('of a paused queue', async () => {
    const task = await Email.push({ category: 'news' });
    await Email.pause({ category: 'news', reason: 'ticket 4711' });

    expect(await why(task)).toBe('The queue is paused (ticket 4711): `resume` lets it go on.');
    await Email.resume({ category: 'news' });
  });

  it('of a delayed task, and of one that waits for its next attempt', async () => {
    expect(await why(await Email.push({}, { delayMs: 90_000 }))).toMatch(/^It is delayed until .* \(in 1 min/);

    await nativeOf(Email).deleteMany({});
    await Email.push({});
    const task = await Email.pop();
    await task!.retry({ delayMs: 90_000, error: new Error('busy') });
    expect(await why(task!)).toMatch(/^Attempt 1 of 2 failed \(busy\): the next one is due at/);
  });

  it('of one that waits for a document, or for one that is missing', async () => {
    const order = await Order.create({ status: 'open' });

    expect(await why(await Email.push({ order: order._id }))).toBe(
      `It waits for Order ${String(order._id)}, whose status is "open" (\`order\`).`,
    );
    expect(await why(await Email.push({ order: new Types.ObjectId() }))).toContain('which is not there');
  });

  it('of tasks that wait for each other', async () => {
    const [one, other] = [new Types.ObjectId(), new Types.ObjectId()];
    await Email.push({ _id: one, after: [other] } as never);
    await Email.push({ _id: other, after: [one] } as never);

    expect(await why({ _id: one })).toContain('a circle, and none of them ever runs');
  });

  it('of one that failed, by itself or with another', async () => {
    const first = await Email.push({});
    const second = await Email.push({ after: [first._id] });
    await (await Email.pop())!.fail(new Error('no such host'));
    expect(await why(first)).toMatch(/^It failed after 1 attempt at .*: no such host\./);

    await Email.pop();
    expect(await why(second)).toMatch(/^It failed with what it waited for[^]*Email .*state is "FAILED"/);
  });

  it('of a running one: held until when, to be cancelled, or its worker died', async () => {
    await Email.push({});
    const task = await Email.pop();
    expect(await why(task!)).toMatch(/^It runs: attempt 1 of 2 since .*, held until .* \(in [45] min/);

    await Email.cancel({}, { reason: 'bounced' });
    expect(await why(task!)).toContain('to be cancelled because: bounced');

    await endLease(Email, task!._id);
    expect(await why(task!)).toContain('The next pop takes it over');
    await rawUpdate(Email, task!._id, { $set: { '_task.attempts': 2 } });
    expect(await why(task!)).toContain('The next pop fails it');
  });

  it('of one behind another of its key', async () => {
    await Email.push({}, { key: 'k' });
    const running = await Email.pop();
    const behind = await Email.push({}, { key: 'k', onDuplicate: 'after' });

    expect(await why(behind)).toContain(`when the running task of its key has ended: Email ${String(running!._id)}`);
  });

  it('of one that was not started in time', async () => {
    const task = await Email.push({}, { startBy: new Date(Date.now() + DAY_MS) });
    await rawUpdate(Email, task._id, { $set: { '_task.startBy': new Date(Date.now() - 1_000) } });

    expect(await why(task)).toContain('the next pop cancels it');
  });

  it('of one that another program wrote, and one that is done', async () => {
    const task = await Email.push({});
    await rawUpdate(Email, task._id, { $set: { '_task.availableAt': /x/ } });
    expect(await why(task)).toContain('is no date');

    const done = await Email.push({});
    await (await Email.pop())!.finish();
    expect(await why(done)).toMatch(/^It is done since/);
  });
});
