import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Types, type Connection } from 'mongoose';
import { State } from 'mongoose-task-queue';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { startMongod, type Mongod } from '../support/mongod';
import { startProxy } from '../support/proxy';
import { nativeOf, stored } from '../support/raw';
import { makeShift } from '../support/shift';
import { heldHandler, recordEvents, startWorker } from '../support/worker';

// A worker that is stopped while the server is away shall not wait for it.
jest.unmock('../../lib/worker/limits');

const LEASE_MS = 60_000;

type Shifts = ReturnType<typeof makeShift>;
type Shift = InstanceType<Shifts>;

describe.each(['find', 'update'])('a worker whose connection breaks before the answer to its %s', (command) => {
  const database = useDatabase();

  it('goes on, and does each task once', async () => {
    const proxy = await startProxy(database.uri);
    const connection = await openConnection(proxy.uri);
    const Shift = makeShift(connection, LEASE_MS);
    await Shift.push(Array.from({ length: 40 }, () => ({ ms: 0 })));
    const seen: string[] = [];
    const lost = proxy.loseReplyTo(command);
    const worker = await startWorker(Shift, { concurrency: 4, handler: (shift) => void seen.push(String(shift._id)) });
    recordEvents(worker);

    await lost;
    await eventually(async () => expect(await Shift.countDocuments({ state: 'FINISHED' })).toBe(40));

    expect(new Set(seen).size).toBe(40);
    expect(seen).toHaveLength(40);
    await worker.stop();
    await connection.destroy();
    await proxy.close();
  });
});

describe('a worker, when its mongod is restarted', () => {
  let folder: string;
  let mongod: Mongod;
  let connection: Connection;
  let Shift: Shifts;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'survival-'));
    mongod = await startMongod({ dbPath: folder });
    connection = await openConnection(`${mongod.uri}survival`);
    Shift = makeShift(connection, LEASE_MS);
    await Shift.ensureTaskIndexes();
  });
  afterAll(async () => {
    await connection.destroy();
    await mongod.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => nativeOf(Shift).deleteMany({}));

  async function start(): Promise<void> {
    mongod = await startMongod({ dbPath: folder, port: Number(new URL(mongod.uri).port) });
  }

  it('goes on by itself, with what it had in hand and with what comes', async () => {
    const held = await Shift.push({ kind: 'held' });
    const { handler, call } = heldHandler<Shift>();
    const worker = await startWorker(Shift, {
      concurrency: 2,
      handler: (shift, context) => (shift.kind === 'held' ? handler(shift, context) : undefined),
    });
    const events = recordEvents(worker);
    const { end, signal } = await call(1);

    await mongod.stop();
    end.resolve();
    await start();
    const next = await Shift.push({ kind: 'next' });

    await eventually(() => {
      const finished = events.filter(([name]) => name === 'finished').map(([, task]) => (task as Shift).id as string);
      expect(finished.toSorted()).toEqual([held.id, next.id].toSorted());
    });
    expect(signal.aborted).toBe(false);
    expect(await stored(Shift, held._id)).toMatchObject({ _task: { claims: 1 } });
  });

  it('can be stopped meanwhile, and charges no attempt to what it gives back', async () => {
    const held = await Shift.push({ kind: 'held' });
    const { handler, call } = heldHandler<Shift>();
    const worker = await startWorker(Shift, { concurrency: 2, handler });
    recordEvents(worker);
    await call(1);

    await mongod.stop();
    await worker.stop({ timeoutMs: 50 });
    await start();

    // What was on its way gets through as long as the process lives.
    await eventually(async () =>
      expect(await stored(Shift, held._id)).toMatchObject({
        state: State.CREATED,
        _task: { attempts: 0, token: expect.any(Types.ObjectId) as unknown },
      }),
    );
  });
});

describe('a worker, when the primary of its replica set steps down', () => {
  let mongod: Mongod;
  let connection: Connection;

  beforeAll(async () => {
    // One of its own: all other specs would notice.
    mongod = await startMongod({ replicaSet: true, parameters: { ttlMonitorSleepSecs: 60 } });
    connection = await openConnection(mongod.uri, { dbName: 'election' });
  });
  afterAll(async () => {
    await connection.destroy();
    await mongod.stop();
  });

  it('goes on by itself, and does each task once', async () => {
    const Shift = makeShift(connection, LEASE_MS);
    const seen: string[] = [];
    const worker = await startWorker(Shift, { concurrency: 4, handler: (shift) => void seen.push(String(shift._id)) });
    recordEvents(worker);
    await Shift.push(Array.from({ length: 200 }, () => ({})));
    await eventually(() => expect(seen.length).toBeGreaterThan(20));

    await connection.getClient().db('admin').command({ replSetStepDown: 1, force: true });
    const next = await Shift.push({});

    await eventually(async () => expect(await Shift.countDocuments({ state: 'FINISHED' })).toBe(201));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toContain(String(next._id));
  });
});
