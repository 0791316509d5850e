import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import type { AnyModel } from '../../lib/definition/definition';
import { onArrival } from '../../lib/notify/arrivals';
import { announceAt } from '../../lib/notify/due';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const NOW = new Date('2027-03-01T12:00:00Z');

describe('the announcement of a due time', () => {
  // Nothing here asks a server, so time can be told to pass.
  beforeEach(() => jest.useFakeTimers({ now: NOW }));
  afterEach(() => jest.useRealTimers());

  function makeModel(name = 'Letter'): AnyModel {
    const connection = createConnection();
    // A client that is never connected.
    const client = { db: () => ({}) };
    connection.getClient = () => client as never;
    return connection.model(name, taskQueue(new Schema({ to: String }))) as unknown as AnyModel;
  }

  function listen(model: AnyModel): () => number {
    let heard = 0;
    onArrival(model, () => heard++);
    return () => heard;
  }

  const inMs = (ms: number) => new Date(NOW.getTime() + ms);

  it.each([[0], [-1], [-1_000]])('comes at once when it is due already (%i ms)', (ms) => {
    const model = makeModel();
    const heard = listen(model);

    announceAt(model, inMs(ms), NOW);

    expect(heard()).toBe(1);
  });

  it('comes when it is due, and not before', () => {
    const model = makeModel();
    const heard = listen(model);
    announceAt(model, inMs(1_000), NOW);

    jest.advanceTimersByTime(1_000);
    expect(heard()).toBe(0);

    jest.advanceTimersByTime(2);
    expect(heard()).toBe(1);
  });

  it('comes for each of several times, in whatever order they were made', () => {
    const model = makeModel();
    const heard = listen(model);
    for (const ms of [300, 100, 200, 100]) announceAt(model, inMs(ms), NOW);

    const after = [102, 100, 100].map((ms) => (jest.advanceTimersByTime(ms), heard()));

    expect(after).toEqual([1, 2, 3]);
    jest.advanceTimersByTime(10_000);
    expect(heard()).toBe(3);
  });

  it('reaches only those who listen to that model', () => {
    const [one, other] = [makeModel('One'), makeModel('Other')];
    const heard = [listen(one), listen(other)];

    announceAt(one, inMs(10), NOW);
    jest.advanceTimersByTime(20);

    expect(heard.map((count) => count())).toEqual([1, 0]);
  });

  it('is remembered for the next thousand times only', () => {
    const model = makeModel();
    const heard = listen(model);
    for (let index = 3_000; index > 0; index--) announceAt(model, inMs(index * 10), NOW);

    jest.advanceTimersByTime(1_000 * 10 + 2);
    expect(heard()).toBe(1_000);

    jest.advanceTimersByTime(100_000);
    expect(heard()).toBe(1_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('needs one timer, whatever the number of times', () => {
    const model = makeModel();
    const before = jest.getTimerCount();
    for (let index = 1; index <= 500; index++) announceAt(model, inMs(index * 10), NOW);

    expect(jest.getTimerCount() - before).toBe(1);
  });

  it('is left to the poll when it is further away than a timer can wait', () => {
    const model = makeModel();
    const before = jest.getTimerCount();

    announceAt(model, inMs(2 ** 31), NOW);

    expect(jest.getTimerCount()).toBe(before);
  });

  it('keeps no process awake', () => {
    const model = makeModel();
    const started = jest.spyOn(globalThis, 'setTimeout');

    announceAt(model, inMs(1_000), NOW);

    const [timer] = started.mock.results.map(({ value }) => value as NodeJS.Timeout);
    expect(timer!.hasRef()).toBe(false);
  });
});
