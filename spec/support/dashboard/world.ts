import { type Connection, Schema, Types } from 'mongoose';
import { DependencyType, taskQueue, UnrecoverableError, Worker } from 'mongoose-task-queue';
import { bucketOf } from '../../../lib/side/histogram';
import { sideOf } from '../../../lib/side/collection';
import { deferred } from '../deferred';
import { eventually } from '../eventually';

const PEOPLE = ['ada', 'grace', 'alan', 'barbara', 'edsger', 'donald', 'margaret', 'john'];
const HOUR_MS = 3_600_000;

function makeModels(connection: Connection) {
  const email = new Schema({
    to: { type: String, required: true, index: true },
    subject: String,
    amount: { type: Number, min: 0 },
    password: String,
  });
  const report = new Schema({
    title: String,
    sources: { type: [{ type: Types.ObjectId, ref: 'Report' }], dependsOn: DependencyType.ALL_OF },
    order: { type: Types.ObjectId, ref: 'Order', dependsOn: { type: DependencyType.DIRECT, when: { status: 'paid' } } },
  });

  return {
    Order: connection.model('Order', new Schema({ status: String })),
    Email: connection.model('Email', taskQueue(email, { maxAttempts: 1 })),
    Report: connection.model('Report', taskQueue(report)),
    Thumbnail: connection.model('Thumbnail', taskQueue(new Schema({ file: String }))),
    Cleanup: connection.model('Cleanup', taskQueue(new Schema({ folder: String }))),
  };
}

/** Queues in all the states there are, with a worker that has two tasks in hand until `end()`. */
export async function makeWorld(connection: Connection) {
  const models = makeModels(connection);
  const { Order, Email, Report, Thumbnail, Cleanup } = models;
  await Promise.all([Email, Report, Thumbnail, Cleanup].map((model) => model.ensureTaskIndexes()));
  const end = deferred<void>();
  await Email.push(PEOPLE.map((name, index) => emailTo(name, index)));
  await Email.push([emailTo('hold', 1), emailTo('hold', 2)], { delayMs: 0 });
  const worker = new Worker(Email, {
    concurrency: 2,
    pollMs: 20,
    async handler({ to, amount }) {
      if (to.startsWith('hold')) await end.promise;
      if (amount! % 3 === 0) throw new UnrecoverableError('451 4.7.1 Greylisted, please try again in 300 seconds');
    },
  });
  await worker.start();
  await eventually(async () => {
    expect(await Email.countDocuments({ state: { $in: ['FINISHED', 'FAILED'] } })).toBe(PEOPLE.length);
    expect(await Email.countDocuments({ state: 'RUNNING' })).toBe(2);
  });
  await Email.push(Array.from({ length: 70 }, (_, index) => emailTo(PEOPLE[index % 8]!, index + 100)));
  await Email.push([emailTo('later', 1), emailTo('later', 2)], { delayMs: HOUR_MS });
  await Email.cancel({ amount: 169 }, { reason: 'sent by hand' });

  const order = await Order.create({ status: 'open' });
  const [sales, returns] = await Report.push([{ title: 'sales of May' }, { title: 'returns of May' }]);
  await (await Report.pop())?.finish();
  const waiting = await Report.push({ title: 'May', sources: [sales!._id, returns!._id], order: order._id });
  await Report.push([
    { title: 'spring', sources: [waiting._id] },
    { title: 'for the board', sources: [waiting._id] },
  ]);
  const [one, other] = [new Types.ObjectId(), new Types.ObjectId()];
  await Report.push({ _id: one, title: 'hen', sources: [other] });
  await Report.push({ _id: other, title: 'egg', sources: [one] });

  await Thumbnail.push(Array.from({ length: 3 }, (_, index) => ({ file: `${index}.png` })));
  await Thumbnail.pause({ reason: 'the disk is full' });
  await Cleanup.push({ folder: '/tmp' }, { cron: '0 3 * * *', timeZone: 'Europe/Berlin', key: 'nightly' });
  await Cleanup.push({ folder: '/var/cache' }, { every: HOUR_MS, key: 'cache' });

  return {
    ...models,
    /** Ids of tasks: one that failed, one that waits for others and is waited for, one of a circle. */
    failed: (await Email.findOne({ state: 'FAILED' }).orFail())._id,
    waiting: waiting._id,
    hen: one,
    end: async () => {
      end.resolve();
      await worker.stop();
    },
  };
}

export type World = Awaited<ReturnType<typeof makeWorld>>;

function emailTo(name: string, index: number) {
  return {
    to: `${name}@example.org`,
    subject: `Invoice ${1_000 + index}`,
    amount: index,
    password: 'swordfish',
  };
}

/** Writes down an hour of work that nobody did, for pictures. */
export async function writeHistory({ Email, Report }: World): Promise<void> {
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const rows = [Email, Report].flatMap((model, which) =>
    Array.from({ length: 60 }, (_, index) => {
      const wave = (1.3 + Math.sin(index / 6 + which)) * (1 + ((index * 7) % 5) / 9);
      const buckets = (scale: number) =>
        Object.fromEntries([1, 2, 4, 9].map((spread, place) => [bucketOf(scale * wave * spread), 40 >> (place * 2)]));

      return {
        _id: { at: new Date(minute - index * 60_000), model: model.modelName } as never,
        finished: Math.round((which === 0 ? 420 : 12) * wave),
        failed: which === 0 && index % 11 === 3 ? 48 : 0,
        retried: index % 5,
        wait: buckets(60),
        run: buckets(140),
        expiresAt: new Date(minute + 48 * HOUR_MS),
      };
    }),
  );
  for (const { _id, ...counts } of rows) {
    const model = (_id as { model: string }).model === 'Email' ? Email : Report;
    await sideOf(model).updateOne({ _id }, { $set: counts }, { upsert: true });
  }
}
