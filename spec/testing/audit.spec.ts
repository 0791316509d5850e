import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { audit, drain } from '../../lib/testing';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate } from '../support/raw';

describe('audit', () => {
  const database = useDatabase();
  const makeNode = () => {
    const next = { type: Schema.Types.ObjectId, ref: 'Node', dependsOn: 'DIRECT' as const };
    return database.connection.model('Node', taskQueue(new Schema({ name: String, next })));
  };
  let Node: ReturnType<typeof makeNode>;

  beforeAll(() => {
    Node = makeNode();
  });
  beforeEach(() => nativeOf(Node).deleteMany({}));

  it('finds nothing in an empty queue, or among tasks that wait, run, are delayed, or have ended', async () => {
    expect(await audit(Node)).toEqual([]);
    const done = await Node.push({ name: 'done' });
    await drain(Node, { handler: () => {} });
    const running = await Node.push({ name: 'running', next: done._id });
    await Node.pop();
    await Node.push([{ name: 'waits', next: running._id }, { name: 'ready' }]);
    await Node.push({ name: 'later' }, { delayMs: 60_000, key: 'later' });
    await (await Node.push({ name: 'failed' })).fail(new Error('no'));

    expect(await audit([Node])).toEqual([]);
  });

  it('finds tasks that wait for each other in a circle', async () => {
    const [a, b] = [new Node({ name: 'a' }), new Node({ name: 'b' })];
    a.next = b._id;
    b.next = a._id;
    await Node.push([a, b]);

    expect(await audit(Node)).toEqual([
      expect.stringContaining(`Node: a task waits for itself: `),
      expect.stringContaining(b.id as string),
    ]);
  });

  it('finds a parked task that nothing would wake', async () => {
    const first = await Node.push({ name: 'first' });
    const second = await Node.push({ name: 'second', next: first._id });
    await drain(Node, { handler: () => {}, max: 1 });
    const never = new Date('9999-12-31T00:00:00Z');
    const waitingOn = [{ mark: 'gone', id: first._id }];
    await rawUpdate(Node, second._id, {
      $set: { '_task.availableAt': never, '_task.recheckAt': never, '_task.waitingOn': waitingOn },
    });

    expect(await audit(Node)).toEqual([expect.stringMatching(/^Node: /)]);
  });
});
