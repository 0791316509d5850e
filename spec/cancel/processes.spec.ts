import { Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { type Child, startProgram } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { propertyRuns } from '../support/property';

const PROCESSES = 4;
const WAIT = { timeoutMs: 120_000 };

describe.each(['standalone', 'replicaSet'] as const)('workers of several processes (%s)', (kind) => {
  const database = useDatabase(kind);

  it('hear of one cancel() of all that they hold', async () => {
    const count = propertyRuns(100);
    const Order = database.connection.model('Order', taskQueue(new Schema({})));
    await Order.ensureTaskIndexes();
    await Order.push(Array.from({ length: count + 10 }, () => ({})));
    const input = { uri: database.uri, concurrency: Math.ceil(count / PROCESSES) };
    const programs: Child[] = Array.from({ length: PROCESSES }, () => startProgram('stubborn-worker', input));
    try {
      const said = (name: string) => programs.flatMap(({ messages }) => messages.filter((message) => name in message));
      const holds = Math.ceil(count / PROCESSES) * PROCESSES;
      await eventually(() => expect(said('started').length).toBe(Math.min(holds, count + 10)), WAIT);
      const held = said('started').length;

      const askedAt = Date.now();
      const { cancelled, cancelling } = await Order.cancel({}, { reason: 'stop' });
      const tookMs = Date.now() - askedAt;
      // Those that were held when they were asked may have ended when they are counted.
      expect(cancelled + cancelling).toBe(count + 10);
      await eventually(() => expect(said('cancelled').length).toBe(held), WAIT);

      const aborted = said('aborted');
      expect(new Set(aborted.map((message) => message['aborted'])).size).toBe(held);
      expect(new Set(aborted.map((message) => message['reason']))).toEqual(new Set(['TaskCancelledError']));
      expect(said('started').length).toBe(held);
      expect(await Order.countDocuments({ state: State.CANCELLED })).toBe(count + 10);
      const times = aborted.map((message) => (message['at'] as number) - askedAt).toSorted((a, b) => a - b);
      const after = (share: number) => `${times[Math.floor(share * (times.length - 1))]} ms`;
      const figures = `p50 after ${after(0.5)}, p99 after ${after(0.99)}, cancel() took ${tookMs} ms`;
      process.stderr.write(`${kind}: ${held} signals aborted, ${figures}\n`);
    } finally {
      for (const program of programs) program.kill('SIGKILL');
    }
  });
});
