import { createConnection, Schema } from 'mongoose';
import { UnsupportedServerError } from 'mongoose-task-queue';
import { clockOf, ServerClock, serverNow } from '../../lib/server/clock';
import { startProgram, type Child } from '../support/child';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { LEASE_MS, makeNote } from '../support/note';
import { endLease, nativeOf, stored } from '../support/raw';

const MINUTE_MS = 60_000;

/** A server with a clock of its own, as far from this process as the ways there and back are long. */
function distantServer({ thereMs = 0, backMs = 0 } = {}) {
  const server = {
    now: 1_700_000_000_000,
    monotonic: 5_000,
    wall: 1_600_000_000_000,
    thereMs,
    backMs,
    wireVersion: 17,
    pass(ms: number) {
      server.now += ms;
      server.wall += ms;
      server.monotonic += ms;
    },
    /** This machine sleeps meanwhile. */
    suspend(ms: number) {
      server.now += ms;
      server.wall += ms;
    },
    hello: jest.fn(async (): Promise<{ localTime: Date; maxWireVersion: number }> => {
      server.pass(server.thereMs);
      // The server tells whole milliseconds.
      const localTime = new Date(Math.floor(server.now));
      server.pass(server.backMs);

      return { localTime, maxWireVersion: server.wireVersion };
    }),
  };
  const clock = new ServerClock(
    server.hello,
    () => server.monotonic,
    () => server.wall,
  );

  return { server, clock };
}

describe("the estimate of the server's clock", () => {
  it.each([
    [0, 0],
    [0.3, 0.7],
    [250, 3],
    [3, 250],
  ])('is never ahead of it, and behind by what the answer takes at most: %d ms there, %d ms back', async (...ways) => {
    const [thereMs, backMs] = ways;
    const { server, clock } = distantServer({ thereMs, backMs });

    for (let step = 0; step < 500; step++) {
      const estimate = (await clock.now()).getTime();

      expect(estimate).toBeLessThanOrEqual(server.now);
      expect(estimate).toBeGreaterThan(server.now - backMs - 2);
      server.pass(997.3);
    }
  });

  it('never goes back, also not when a later answer takes longer', async () => {
    const { server, clock } = distantServer();
    let last = (await clock.now()).getTime();

    for (const backMs of [400, 0, 900, 30]) {
      server.backMs = backMs;
      await clock.refresh();
      const estimate = (await clock.now()).getTime();

      expect(estimate).toBeGreaterThanOrEqual(last);
      last = estimate;
    }
  });

  it('gives two callers in one millisecond the same time, not one from before', async () => {
    const { server, clock } = distantServer();
    const first = await clock.now();
    server.pass(0.4);

    expect(await clock.now()).toEqual(first);
  });

  it('is good for a minute', async () => {
    const { server, clock } = distantServer();
    await clock.now();

    server.pass(MINUTE_MS);
    await clock.now();
    expect(server.hello).toHaveBeenCalledTimes(1);

    server.pass(1);
    await clock.now();
    expect(server.hello).toHaveBeenCalledTimes(2);
  });

  it('corrects within a minute for a monotonic clock that runs at another speed', async () => {
    const { server, clock } = distantServer();
    await clock.now();
    server.now += 50; // Ours was slow.
    server.pass(MINUTE_MS + 1);

    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it.each([[200], [3_000], [8 * 3_600_000]])('is read again after this machine was suspended for %d ms', async (ms) => {
    const { server, clock } = distantServer();
    await clock.now();

    server.suspend(ms);

    expect(clock.isFresh).toBe(false);
    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it('adds up many short suspends', async () => {
    const { server, clock } = distantServer();
    await clock.now();

    for (let nap = 0; nap < 100; nap++) {
      server.suspend(20);
      server.pass(5);
      expect(server.now - (await clock.now()).getTime()).toBeLessThan(101);
    }
  });

  it('is read again when this machine was suspended while the answer was on its way', async () => {
    const { server, clock } = distantServer();
    const { hello } = server;
    server.hello.mockImplementationOnce(async () => {
      const answer = { localTime: new Date(server.now), maxWireVersion: 17 };
      server.suspend(60_000);
      return answer;
    });

    expect((await clock.now()).getTime()).toBe(server.now);
    expect(hello).toHaveBeenCalledTimes(2);
  });

  it('is read again when the answer took so long that it tells an old time, but not for ever', async () => {
    const { server, clock } = distantServer({ backMs: 5_000 });

    expect((await clock.now()).getTime()).toBe(server.now - 5_000);
    expect(server.hello).toHaveBeenCalledTimes(3);
  });

  it.each([[-3_600_000], [3_600_000]])('takes nothing from a wall clock that is set by %d ms', async (ms) => {
    const { server, clock } = distantServer();
    await clock.now();

    server.wall += ms;
    expect((await clock.now()).getTime()).toBe(server.now);
    server.pass(1_000);
    expect((await clock.now()).getTime()).toBe(server.now);
    expect(server.hello).toHaveBeenCalledTimes(2);
  });

  it('is asked for once, however many want to know', async () => {
    const { server, clock } = distantServer({ thereMs: 5 });

    const times = await Promise.all([clock.now(), clock.now(), clock.now()]);

    expect(server.hello).toHaveBeenCalledTimes(1);
    expect(new Set(times.map(Number)).size).toBe(1);
  });

  it('is asked for again once it has expired', async () => {
    const { server, clock } = distantServer();
    await clock.now();

    clock.expire();
    await clock.now();
    await clock.now();

    expect(server.hello).toHaveBeenCalledTimes(2);
  });

  it('is asked for again when it expires while an answer is on its way, which may be of the server before', async () => {
    const { server, clock } = distantServer();
    const answer = deferred();
    const before = { localTime: new Date(server.now), maxWireVersion: 17 };
    server.hello.mockImplementationOnce(() => answer.promise.then(() => before));
    const asked = clock.now();

    clock.expire();
    answer.resolve();
    await asked;
    server.now -= 30_000; // The next server's clock.

    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it('follows a server whose clock is more than a second behind', async () => {
    const { server, clock } = distantServer();
    await clock.now();
    server.now -= 1_500;

    clock.expire();

    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it('stands still while the next server is less than a second behind', async () => {
    const { server, clock } = distantServer();
    const before = await clock.now();
    server.now -= 800;
    clock.expire();

    expect(await clock.now()).toEqual(before);
    server.pass(799);
    expect(await clock.now()).toEqual(before);

    server.pass(2);
    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it('fails when the server cannot be asked, and asks again the next time', async () => {
    const { server, clock } = distantServer();
    server.hello.mockRejectedValueOnce(new Error('no connection'));

    await expect(clock.now()).rejects.toThrow('no connection');

    expect((await clock.now()).getTime()).toBe(server.now);
  });

  it('is refused for a server older than MongoDB 6.0, each time', async () => {
    const { server, clock } = distantServer();
    server.wireVersion = 13;

    await expect(clock.now()).rejects.toThrow(UnsupportedServerError);
    await expect(clock.now()).rejects.toThrow(/Expected MongoDB 6\.0 or newer, .*wire version 13/);

    server.wireVersion = 17;
    expect((await clock.now()).getTime()).toBe(server.now);
  });
});

describe('the clock of a model', () => {
  const database = useDatabase();

  it('is one for all models of a client', async () => {
    const { connection } = database;
    const models = [
      connection.model('One', new Schema({})),
      connection.model('Two', new Schema({})),
      connection.useDb('elsewhere').model('One', new Schema({})),
    ];

    const [one, two, three] = await Promise.all(models.map((model) => clockOf(model)));

    expect(two).toBe(one);
    expect(three).toBe(one);
  });

  it('waits for a connection that is still being opened', async () => {
    const connection = createConnection(database.uri);
    const now = await serverNow(connection.model('Early', new Schema({})));

    expect(now).toBeInstanceOf(Date);
    await connection.destroy();
  });

  it.each([
    ['a heartbeat fails', ['serverHeartbeatFailed', {}]],
    ['there is another primary', ['topologyDescriptionChanged', change([], ['b:1'])]],
    ['the primary is lost', ['topologyDescriptionChanged', change(['a:1'], [])]],
  ] as const)('is read again after %s', async (_what, [event, details]) => {
    const { connection, sent } = await monitoredConnection(database.uri);
    const Some = connection.model('Some', new Schema({}));
    await serverNow(Some);

    connection.getClient().emit(event as 'serverHeartbeatFailed', details as never);
    await serverNow(Some);

    expect(sent('hello')).toHaveLength(2);
    await connection.destroy();
  });

  it('is not read again when only a secondary comes or goes', async () => {
    const { connection, sent } = await monitoredConnection(database.uri);
    const Some = connection.model('Some', new Schema({}));
    await serverNow(Some);

    connection.getClient().emit('topologyDescriptionChanged', change(['a:1'], ['a:1', 'b:1']) as never);
    await serverNow(Some);

    expect(sent('hello')).toHaveLength(1);
    await connection.destroy();
  });

  /** Of the servers, the first is the primary. */
  function change(before: string[], after: string[]): object {
    const description = (addresses: string[]) => ({
      servers: new Map(
        addresses.map((address, index) => [address, { address, type: index === 0 ? 'RSPrimary' : 'RSSecondary' }]),
      ),
    });

    return { previousDescription: description(before), newDescription: description(after) };
  }
});

describe.each([
  ['ahead', 10 * MINUTE_MS],
  ['behind', -10 * MINUTE_MS],
])('a process whose clock is ten minutes %s', (_direction, shiftMs) => {
  const database = useDatabase();
  const programs: Child[] = [];
  let Note: ReturnType<typeof makeNote>;

  beforeAll(async () => {
    Note = makeNote(database.connection);
    await Note.init();
  });

  beforeEach(async () => {
    await Note.deleteMany({});
  });

  // A queue goes on for ever, also without a server.
  afterEach(() => {
    for (const program of programs.splice(0)) program.kill('SIGKILL');
  });

  it('claims what is ready at once, what is delayed in time, and what is held not before the lease ends', async () => {
    const held = await Note.push({ text: 'held' });
    await Note.pop();
    const claimer = await start('claimer');
    const popped = (text: string) => claimer.line((message) => message['popped'] === text);

    const ready = await Note.push({ text: 'ready' });
    await popped('ready');
    const delayed = await Note.push({ text: 'delayed' }, { delayMs: 500 });
    await popped('delayed');
    await endLease(Note, held._id);
    await popped('held');
    await Note.push({ text: 'last' });

    expect(await claimer.exit).toMatchObject({ code: 0 });
    const order = claimer.messages.flatMap(({ popped: text }) => text ?? []);
    expect(order).toEqual(['ready', 'delayed', 'held', 'last']);
    for (const { _id } of [ready, delayed]) await expectStartedInTime(_id);
  });

  it('holds a task exactly as long as everybody else', async () => {
    const claimer = await start('claimer');
    const before = await serverTime();
    await Note.push([{ text: 'kept' }, { text: 'renewed' }]);

    const { until } = await claimer.line(({ popped }) => popped === 'kept');
    const { renewedUntil } = await claimer.line((message) => 'renewedUntil' in message);

    const leaseEnd = within(before + LEASE_MS, (await serverTime()) + LEASE_MS);
    expect([until, renewedUntil].map((time) => new Date(time as string))).toEqual([leaseEnd, leaseEnd]);
    for (const text of ['kept', 'renewed']) {
      expect(await bookkeepingOf(text)).toMatchObject({ availableAt: leaseEnd });
    }
    expect(await Note.pop()).toBeNull();
  });

  it('pushes, delays, retries and finishes by the time of the server', async () => {
    const before = await serverTime();
    const producer = await start('producer');

    expect(await producer.exit).toMatchObject({ code: 0 });

    const after = await serverTime();
    const now = within(before, after);
    const soon = within(before + 500, after + 500);
    expect(await bookkeepingOf('ready')).toMatchObject({ availableAt: now, dueAt: now, expiresFrom: now });
    expect(await bookkeepingOf('delayed')).toMatchObject({
      availableAt: soon,
      dueAt: soon,
      expiresFrom: soon,
    });
    expect(await bookkeepingOf('retried')).toMatchObject({ availableAt: soon, errors: [{ at: now }] });
    expect(await bookkeepingOf('finished')).toMatchObject({ settledAt: now });
  });

  it('pushes what others pop at once, and delays it for them exactly as long as it says', async () => {
    const producer = await start('producer');
    await producer.exit;

    const popped = await Note.popMany(4);
    expect(popped.map(({ text }) => text)).toEqual(expect.arrayContaining(['ready', 'ready too']));
    while (popped.length < 4) popped.push(...(await eventually(async () => atLeastOne(await Note.popMany(4)))));

    expect(new Set(popped.map(({ text }) => text))).toEqual(new Set(['delayed', 'ready', 'ready too', 'retried']));
    for (const { _id } of popped) await expectStartedInTime(_id);
  });

  async function start(role: 'claimer' | 'producer') {
    const program = startProgram('wrong-clock', { uri: database.uri, shiftMs, role });
    programs.push(program);
    const { wallClock } = await program.line((message) => 'wallClock' in message);
    expect(Math.abs((wallClock as number) - Date.now() - shiftMs)).toBeLessThan(MINUTE_MS);

    return program;
  }

  async function serverTime(): Promise<number> {
    const { localTime } = await database.connection.db!.command({ hello: 1 });

    return (localTime as Date).getTime();
  }

  async function bookkeepingOf(text: string): Promise<unknown> {
    return (await nativeOf(Note).findOne({ text }))?.['_task'];
  }

  /** Not before it was due, and not minutes later. */
  async function expectStartedInTime(_id: unknown): Promise<void> {
    const { startedAt, dueAt } = (await stored(Note, _id))['_task'] as { startedAt: Date; dueAt: Date };

    expect(startedAt.getTime() - dueAt.getTime()).toBeGreaterThanOrEqual(0);
    expect(startedAt.getTime() - dueAt.getTime()).toBeLessThan(MINUTE_MS / 2);
  }
});

function within(first: number, last: number): Date {
  return {
    asymmetricMatch: (time: unknown) => time instanceof Date && Number(time) >= first && Number(time) <= last,
    toString: () => `a time from ${new Date(first).toISOString()} to ${new Date(last).toISOString()}`,
  } as unknown as Date;
}

function atLeastOne<T>(found: T[]): T[] {
  if (found.length === 0) throw new Error('none yet');

  return found;
}
