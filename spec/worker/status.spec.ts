import { Schema } from 'mongoose';
import { TaskQueueError, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { afterNext } from '../support/interleave';
import { heldHandler, makeWorker, nextEvent, recordEvents, startWorker } from '../support/worker';

const database = useDatabase();

const makeModel = (name: string) => database.connection.model(name, taskQueue(new Schema({ number: Number })));

const of = (length: number) => Array.from({ length }, (_, number) => ({ number }));

describe('worker.status()', () => {
  it('says what the worker does, and what it holds', async () => {
    const Shown = makeModel('Shown');
    const { handler, calls, call } = heldHandler<unknown>();
    const worker = makeWorker(Shown, { handler });
    expect(worker.status()).toEqual({ state: 'stopped', held: [] });
    const task = await Shown.push({ number: 1 });
    await worker.start();
    await call(1);

    expect(worker.status()).toEqual({
      state: 'running',
      held: [{ id: task._id, model: 'Shown', since: expect.any(Date) as Date, leaseUntil: expect.any(Date) as Date }],
    });
    await Shown.pause();
    expect(worker.status().state).toBe('paused');
    const stopped = worker.stop();
    expect(worker.status()).toMatchObject({ state: 'stopping', held: [{ model: 'Shown' }] });
    calls[0]!.end.resolve();
    await stopped;
    expect(worker.status()).toEqual({ state: 'stopped', held: [] });
  });
});

describe('the event `slow`', () => {
  it('tells of a handler once, and lets it go on', async () => {
    const Slow = makeModel('Slow');
    await Slow.push(of(2));
    const { handler, calls, call } = heldHandler<unknown>();
    const worker = makeWorker(Slow, { handler, concurrency: 2, slowMs: 20 });
    const events = recordEvents(worker);
    await worker.start();
    await call(2);
    const told = () => events.filter(([name]) => name === 'slow');
    await eventually(() => expect(told()).toHaveLength(2));
    for (const { end } of calls) end.resolve();
    await worker.drained();

    expect(told()).toHaveLength(2);
    for (const [, , info] of told()) expect((info as { ms: number }).ms).toBeGreaterThanOrEqual(20);
    expect(events.filter(([name]) => name === 'finished')).toHaveLength(2);
  });

  it('comes after half of the time limit', async () => {
    const Limited = makeModel('Limited');
    await Limited.push(of(1));
    const worker = makeWorker(Limited, { handler: () => new Promise(() => {}), timeoutMs: 200 });
    const events = recordEvents(worker);
    const ended = Promise.race([nextEvent(worker, 'retried'), nextEvent(worker, 'failed')]);
    await worker.start();
    await ended;

    expect(events.map(([name]) => name).slice(0, 2)).toEqual(['started', 'slow']);
  });
});

describe('worker.drained()', () => {
  it('resolves when all was worked on, also what came meanwhile', async () => {
    const Drained = makeModel('Drained');
    await Drained.push(of(50));
    let done = 0;
    const worker = await startWorker(Drained, {
      concurrency: 4,
      async handler({ number }) {
        if (number === 49) await Drained.push({ number: 100 });
        done++;
      },
    });
    await worker.drained();

    expect(done).toBe(51);
    await worker.drained();
  });

  it('waits for what a task pushed while a claim that finds nothing was under way', async () => {
    const Followed = makeModel('Followed');
    await Followed.push(of(1));
    const { handler, calls, call } = heldHandler<unknown>();
    const done: unknown[] = [];
    const worker = await startWorker(Followed, {
      concurrency: 3,
      pollMs: 3_600_000,
      async handler(task, context) {
        if (task.number === 0) await handler(task, context);
        if (task.number === 0) await Followed.push({ number: 1 });
        done.push(task.number);
      },
    });
    await call(1);
    const looked = afterNext(Followed, 'findOneAndUpdate', async () => {
      calls[0]!.end.resolve();
      await nextEvent(worker, 'finished');
    });

    await worker.drained();

    expect(looked.happened).toBe(true);
    expect(done).toEqual([0, 1]);
  });

  it('does not wait for tasks that are delayed', async () => {
    const Later = makeModel('Later');
    await Later.push({ number: 1 }, { delayMs: 3_600_000 });
    const worker = await startWorker(Later, { handler: () => {}, pollMs: 3_600_000 });

    await worker.drained();
  });

  it('waits for the end of a pause', async () => {
    const Held = makeModel('Held');
    await Held.push(of(1));
    await Held.pause();
    const worker = await startWorker(Held, { handler: () => {} });
    const order: string[] = [];
    const drained = worker.drained().then(() => order.push('drained'));
    worker.on('finished', () => order.push('finished'));
    await nextEvent(worker, 'idle').catch(() => {});
    expect(order).toEqual([]);
    await Held.resume();
    await drained;

    expect(order).toEqual(['finished', 'drained']);
  });

  it('rejects when the worker is stopped before, or does not run', async () => {
    const Stopped = makeModel('Stopped');
    await Stopped.push(of(1));
    const { handler, call } = heldHandler<unknown>();
    const worker = makeWorker(Stopped, { handler });
    await expect(worker.drained()).rejects.toThrow(TaskQueueError);
    await worker.start();
    await call(1);
    const drained = worker.drained();
    const refused = expect(drained).rejects.toThrow(TaskQueueError);
    await worker.stop({ timeoutMs: 0 });

    await refused;
  });
});
