import { Schema, type Connection } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { monitoredConnection } from './support/commands';
import { openConnection } from './support/connections';
import { useDatabase } from './support/database';
import { deferred } from './support/deferred';
import { eventually } from './support/eventually';
import { endLease } from './support/raw';
import { startWorker } from './support/worker';

async function streamsOn({ db, name }: Connection): Promise<number> {
  const cursors = await db!.client
    .db('admin')
    .aggregate([{ $currentOp: { idleCursors: true } }, { $match: { ns: { $regex: `^${name}\\.` } } }])
    .toArray();

  return cursors.filter((one) => '$changeStream' in ((one['cursor'] ?? one)?.originatingCommand?.pipeline?.[0] ?? {}))
    .length;
}

describe.each(['local', 'available', 'majority', 'snapshot', 'linearizable'] as const)(
  'on a connection of read concern %s',
  (level) => {
    const database = useDatabase('replicaSet');
    const { ObjectId } = Schema.Types;

    it('what the queue reads is the newest there is', async () => {
      const { connection, all } = await monitoredConnection(
        `${database.uri}${database.uri.includes('?') ? '&' : '?'}readConcernLevel=${level}`,
      );
      const Part = connection.model('Part', taskQueue(new Schema({ n: Number }), { category: true }));
      const part = { type: ObjectId, ref: 'Part', dependsOn: 'DIRECT' };
      const Whole = connection.model('Whole', taskQueue(new Schema({ part })));
      await Promise.all([Part.init(), Whole.init()]);
      const needed = await Part.push({ n: 1, category: 'a' }, { key: 'one' });
      await Part.push({ n: 1, category: 'a' }, { key: 'one' });
      const whole = await Whole.push({ part: needed._id });
      expect(await Whole.pop()).toBeNull();
      expect(await whole.blockedBy()).toHaveLength(1);
      expect(await Whole.blocked()).toHaveLength(1);
      await Part.push([{ n: 2 }, { n: 3 }]);
      expect(await Part.isEmpty()).toBe(false);

      const late = (await Part.pop({ category: ['a', 'b'] }))!;
      await endLease(Part, late._id);
      const [task, ...others] = await Part.popMany(3);
      await expect(late.finish()).rejects.toThrow('taken over');
      await Promise.all([...others, task!].map((one) => one.finish()));
      expect(task!._id).toEqual(needed._id);
      await (await Whole.pop())!.finish();
      await task!.push();

      expect(await Part.stats()).toMatchObject({ running: 0, ready: 1 });
      const concerns = all().map(({ name, body }) => [name, body['readConcern']?.level ?? 'local']);
      expect(concerns.filter(([, concern]) => concern !== 'local')).toEqual([]);
    });

    it('an idle worker is told of tasks by the change stream', async () => {
      const connection = await openConnection(database.uri, { readConcern: { level } });
      const Job = connection.model('Job', taskQueue(new Schema({ n: Number })));
      const begun = deferred<number | null | undefined>();
      const warnings: Error[] = [];
      const warn = (warning: Error) => void warnings.push(warning);
      process.on('warning', warn);
      await startWorker(Job, { pollMs: 600_000, handler: ({ n }) => begun.resolve(n) });

      // That of the tasks, and that of pauses and cancels.
      await eventually(async () => expect(await streamsOn(database.connection)).toBe(2));
      await database.connection.collection('jobs').insertOne({ n: 1, state: State.CREATED });
      expect(await begun.promise).toBe(1);

      process.off('warning', warn);
      expect(warnings).toEqual([]);
    });
  },
);
