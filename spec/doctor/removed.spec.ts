import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { doctor } from 'mongoose-task-queue/doctor';
import { ofWindow } from '../../lib/doctor/removed';
import { useDatabase } from '../support/database';

const NOT_YET = [6, 0, 5, 0];

describe('the check of removed index keys', () => {
  it.each<[string, number, number, readonly number[]]>([
    ['a queue with little to do', 30, 300, NOT_YET],
    ['a server that keeps what was removed for a short time', 1_000, 5, NOT_YET],
    ['a standalone server', 1_000, 0, NOT_YET],
    ['a server that passes over them', 100, 300, [7, 0, 11, 0]],
    ['a newer one', 100, 300, [8, 0, 1, 0]],
  ])('finds nothing wrong with %s', (_, perSecond, windowS, version) => {
    expect(ofWindow(perSecond, windowS, version)).toEqual([]);
  });

  it.each([[NOT_YET], [[7, 0, 10, 0]], [[6, 3, 0, 0]]])('tells how many are walked over (%j)', (version) => {
    expect(ofWindow(100, 300, version)).toEqual([
      {
        text: 'about 30000 index keys of tasks that were claimed in the last 300 s are still there, and each look for a task walks over them',
        hint: expect.stringMatching(/`minSnapshotHistoryWindowInSeconds` .* to 5/),
        severity: 'warning',
      },
    ]);
  });

  describe.each(['standalone', 'replicaSet'] as const)('of a queue that does a hundred tasks a second (%s)', (kind) => {
    const database = useDatabase(kind);

    it('goes by its history, and by what the server says of itself', async () => {
      const Order = database.connection.model('Order', taskQueue(new Schema({})));
      await Order.ensureTaskIndexes();
      const at = new Date(Math.floor(Date.now() / 60_000) * 60_000);
      await database.connection
        .collection<{ _id: object }>('orders.queue')
        .insertOne({ _id: { at, model: 'Order' }, finished: 360_000, failed: 0 } as never);
      const admin = database.connection.getClient().db('admin');
      const { versionArray } = (await admin.command({ buildInfo: 1 })) as unknown as { versionArray: number[] };

      const found = (await doctor(Order)).find(({ check }) => check === 'removed')!;

      const expected = kind === 'standalone' ? [] : ofWindow(100, 300, versionArray);
      expect(found.findings.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
      expect(found).toMatchObject({ ok: true, notes: [] });
    });
  });
});
