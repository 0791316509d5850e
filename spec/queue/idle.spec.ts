import { createConnection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import type { AnyModel } from '../../lib/definition/definition';
import { announce } from '../../lib/notify/announce';
import { Idle } from '../../lib/queue/idle';
import { makeChain } from '../support/chain';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const POLL_MS = 1_000;
const NEVER_MS = 2 ** 31 - 1;

describe('an idle consumer', () => {
  // Nothing here asks a server, so time can be told to pass.
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  function makeModel(name = 'Letter'): AnyModel {
    const connection = createConnection();
    const client = { db: () => ({}) };
    connection.getClient = () => client as never;
    return connection.model(name, taskQueue(new Schema({ to: String }))) as unknown as AnyModel;
  }

  const signal = new AbortController().signal;

  /** A look that finds nothing, and the wait after it. Resolves to how long that took. */
  async function lookAndWait(idle: Idle, duringLook: () => void = () => {}): Promise<number> {
    idle.listen();
    duringLook();
    idle.succeeded(false);
    return timeOf(idle.wait(signal));
  }

  async function timeOf(wait: Promise<void>): Promise<number> {
    const began = performance.now();
    let isOver = false;
    void wait.then(() => (isOver = true));
    while (!isOver) await jest.advanceTimersByTimeAsync(1);
    return performance.now() - began;
  }

  /** Without the jitter. */
  const exactly = () => jest.spyOn(Math, 'random').mockReturnValue(0.5);

  it('looks again soon, and then ever later up to `pollMs`', async () => {
    exactly();
    const idle = new Idle([makeModel()], POLL_MS, false);

    const waits = [];
    for (let look = 0; look < 10; look++) waits.push(await lookAndWait(idle));

    expect(waits.map((ms) => Math.floor(ms))).toEqual([10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000]);
  });

  it('waits up to a fifth more or less, so that those who started together do not ask together', async () => {
    const idle = new Idle([makeModel()], POLL_MS, false);
    for (let look = 0; look < 8; look++) await lookAndWait(idle);
    const random = jest.spyOn(Math, 'random');

    random.mockReturnValue(0);
    const shortest = await lookAndWait(idle);
    random.mockReturnValue(0.999_999);
    const longest = await lookAndWait(idle);

    expect([shortest, longest].map((ms) => Math.round(ms / 10))).toEqual([80, 120]);
  });

  it('looks again soon after it found something', async () => {
    exactly();
    const idle = new Idle([makeModel()], POLL_MS, false);
    for (let look = 0; look < 8; look++) await lookAndWait(idle);

    idle.listen();
    idle.succeeded(true);

    expect(Math.floor(await lookAndWait(idle))).toBe(10);
  });

  it('does not wait when something arrived while it looked', async () => {
    const model = makeModel();
    const idle = new Idle([model], NEVER_MS, false);

    expect(await lookAndWait(idle, () => announce(model))).toBeLessThanOrEqual(1);
  });

  it('stops waiting when something arrives', async () => {
    const model = makeModel();
    const idle = new Idle([model], NEVER_MS, false);
    for (let look = 0; look < 10; look++) await lookAndWait(idle);
    idle.listen();
    idle.succeeded(false);
    setTimeout(() => announce(model), 3_000);

    expect(Math.floor(await timeOf(idle.wait(signal)))).toBeLessThanOrEqual(3_001);
  });

  it('listens to all its models', async () => {
    const [one, other] = [makeModel('One'), makeModel('Other')];
    const idle = new Idle([one, other], NEVER_MS, false);

    expect(await lookAndWait(idle, () => announce(other))).toBeLessThanOrEqual(1);
  });

  it('listens to what its tasks wait for as well', async () => {
    const { waiting, awaited } = makeChain();
    const idle = new Idle([waiting], NEVER_MS, false);

    expect(await lookAndWait(idle, () => announce(awaited))).toBeLessThanOrEqual(1);
  });

  it('is not kept busy by arrivals that turn out to be nothing', async () => {
    const model = makeModel();
    const idle = new Idle([model], POLL_MS, false);
    const arrivals = setInterval(() => announce(model), 2);
    let looks = 0;

    for (const began = performance.now(); performance.now() - began < 10_000; looks++) await lookAndWait(idle);

    clearInterval(arrivals);
    expect(looks).toBeLessThan(150);
  });

  it('answers the next arrival at once after some quiet', async () => {
    const model = makeModel();
    const idle = new Idle([model], POLL_MS, false);
    for (let look = 0; look < 20; look++) await lookAndWait(idle, () => announce(model));
    await lookAndWait(idle);

    expect(await lookAndWait(idle, () => announce(model))).toBeLessThanOrEqual(1);
  });

  it('answers the next arrival at once after it found something', async () => {
    const model = makeModel();
    const idle = new Idle([model], POLL_MS, false);
    for (let look = 0; look < 20; look++) await lookAndWait(idle, () => announce(model));
    idle.listen();
    idle.succeeded(true);

    expect(await lookAndWait(idle, () => announce(model))).toBeLessThanOrEqual(1);
  });

  it.each([
    ['ever longer while its looks fail, up to a second', 200, [200, 400, 800, 1_000, 1_000, 1_000]],
    ['no longer than a second after a look that failed, however rarely it polls', NEVER_MS, [1_000, 1_000]],
  ])('waits %s', async (_, pollMs, expected) => {
    exactly();
    const idle = new Idle([makeModel()], pollMs, false);

    const waits = [];
    while (waits.length < expected.length) {
      idle.listen();
      idle.failed();
      waits.push(await timeOf(idle.wait(signal)));
    }

    expect(waits.map((ms) => Math.floor(ms))).toEqual(expected);
  });

  it('waits as before once a look worked', async () => {
    exactly();
    const idle = new Idle([makeModel()], POLL_MS, false);
    idle.listen();
    for (let look = 0; look < 5; look++) idle.failed();

    expect(await lookAndWait(idle)).toBeLessThan(POLL_MS);
  });

  it('stops waiting when it is told to', async () => {
    const idle = new Idle([makeModel()], NEVER_MS, false);
    for (let look = 0; look < 7; look++) await lookAndWait(idle);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);

    idle.listen();
    const ms = await timeOf(idle.wait(controller.signal));

    expect(Math.floor(ms)).toBeLessThanOrEqual(51);
  });

  it('does not begin to wait once it was told to stop', async () => {
    const idle = new Idle([makeModel()], NEVER_MS, false);

    idle.listen();

    expect(await timeOf(idle.wait(AbortSignal.abort()))).toBeLessThanOrEqual(1);
  });

  it('does not begin to listen once it is closed', async () => {
    const model = makeModel();
    const idle = new Idle([model], POLL_MS, false);
    idle.close();

    // As by a look that was under way, and is given up.
    idle.listen();
    const waiting = timeOf(idle.wait(signal));
    announce(model);

    expect(await waiting).toBeGreaterThanOrEqual(5);
  });

  it('hears nothing any more once it is closed', async () => {
    exactly();
    const model = makeModel();
    const idle = new Idle([model], POLL_MS, false);
    await lookAndWait(idle);
    idle.close();

    announce(model);

    expect(Math.round((await timeOf(idle.wait(signal))) / 10)).toBe(2);
    expect(jest.getTimerCount()).toBe(0);
  });
});
