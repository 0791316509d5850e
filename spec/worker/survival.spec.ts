import { State } from 'mongoose-task-queue';
import { startProgram, type Child } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { BACKOFF_MS, makeShift } from '../support/shift';
import { heldHandler, nextEvent, startWorker } from '../support/worker';

const LEASE_MS = 600;
const LONG_MS = 300_000;

type Shifts = ReturnType<typeof makeShift>;
type Shift = InstanceType<Shifts>;

describe('processes that work on one queue', () => {
  const database = useDatabase();
  const programs: Child[] = [];
  let Shift: Shifts;

  beforeAll(async () => {
    Shift = makeShift(database.connection, LEASE_MS);
    await Shift.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Shift).deleteMany({}));
  afterEach(async () => {
    for (const program of programs) program.kill('SIGKILL');
    await Promise.all(programs.splice(0).map(({ exit }) => exit));
  });

  async function startShiftWorker(options: { concurrency?: number; leaseMs?: number; stopTimeoutMs?: number } = {}) {
    const program = startProgram('shift-worker', {
      uri: database.uri,
      leaseMs: LEASE_MS,
      concurrency: 1,
      stopTimeoutMs: 100,
      ...options,
    });
    programs.push(program);
    await program.line((message) => message['ready'] === true);
    return program;
  }

  const said = ({ messages }: Child, name: string) => messages.filter((message) => name in message);
  const shifts = (count: number, fields: object) => Array.from({ length: count }, () => ({ ...fields }));

  it('finish all 32 tasks of one that is killed', async () => {
    const killed = await startShiftWorker({ concurrency: 32 });
    await Shift.push(shifts(32, { ms: LONG_MS }));
    await eventually(() => expect(said(killed, 'started')).toHaveLength(32));
    const heir = await startShiftWorker({ concurrency: 8 });
    // What takes long for one is quick for the next.
    await nativeOf(Shift).updateMany({}, { $set: { ms: 0 } });

    killed.kill('SIGKILL');
    await eventually(async () => expect(await nativeOf(Shift).countDocuments({ state: 'FINISHED' })).toBe(32));

    const tasks = await nativeOf(Shift).find({}).toArray();
    expect(new Set(tasks.map(({ doneBy }) => doneBy as unknown))).toEqual(new Set([heir.pid]));
    expect(tasks.map(({ _task }) => [_task.attempts, _task.claims])).toEqual(tasks.map(() => [2, 2]));
  });

  it('lose no attempt by SIGTERM in the middle of work', async () => {
    const program = await startShiftWorker({ concurrency: 8, leaseMs: LONG_MS });
    await Shift.push([...shifts(4, { ms: 20 }), ...shifts(8, { ms: LONG_MS }), ...shifts(4, { ms: 0 })]);
    await eventually(() => expect(said(program, 'started')).toHaveLength(12));

    program.kill('SIGTERM');

    await expect(program.exit).resolves.toEqual({ code: 0, signal: null });
    const tasks = await nativeOf(Shift).find({}).toArray();
    const standings = tasks.map(({ state, _task }) => `${state} ${_task.attempts ?? 0}`);
    expect(standings.toSorted()).toEqual([...Array(12).fill('CREATED 0'), ...Array(4).fill('FINISHED 1')]);
    expect(said(program, 'released')).toHaveLength(8);
  });

  it('end their tasks after SIGTERM, where there is time', async () => {
    const program = await startShiftWorker({ concurrency: 4, stopTimeoutMs: 20_000 });
    await Shift.push(shifts(6, { ms: 400 }));
    await eventually(() => expect(said(program, 'started')).toHaveLength(4));

    program.kill('SIGTERM');
    await program.exit;

    const counts = [State.FINISHED, State.CREATED].map((state) => nativeOf(Shift).countDocuments({ state }));
    expect(await Promise.all(counts)).toEqual([4, 2]);
  });

  it('are not taken down one after the other by a task that kills its process, which ends FAILED', async () => {
    const killer = await Shift.push({ kind: 'kill' });
    const starts: number[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const program = await startShiftWorker();
      const { at } = await program.line((message) => message['started'] === killer.id);
      starts.push(at as number);
      await expect(program.exit).resolves.toMatchObject({ signal: 'SIGKILL' });
    }
    const last = await startShiftWorker();
    await eventually(async () => expect((await stored(Shift, killer._id))['state']).toBe(State.FAILED));

    const other = await Shift.push({ ms: 0 });
    await last.line((message) => message['finished'] === other.id);

    // The first takeover may have been an accident; before the next one there is the backoff.
    expect(starts[2]! - starts[1]!).toBeGreaterThanOrEqual(LEASE_MS + BACKOFF_MS);
    expect((await Shift.findById(killer))!.failures.at(-1)).toMatchObject({
      attempt: 3,
      message: expect.stringContaining('lease') as unknown,
    });
  });

  it('take over from one whose event loop was blocked past its lease, which is told so and goes on', async () => {
    const blocked = await startShiftWorker();
    const shift = await Shift.push({ kind: 'block', ms: 4 * LEASE_MS });
    await blocked.line((message) => message['started'] === shift.id);
    await nativeOf(Shift).updateOne({ _id: shift._id }, { $set: { kind: 'harmless', ms: 0 } });

    const { handler, call } = heldHandler<Shift>();
    const worker = await startWorker(Shift, { handler });
    const { task, end } = await call(1);
    const finished = nextEvent(worker, 'finished');
    end.resolve();
    await finished;
    await worker.stop();

    await expect(blocked.line((message) => 'lost' in message)).resolves.toEqual({
      lost: shift.id,
      error: 'LeaseLostError',
    });
    expect(task.lease).toBeNull();
    expect(await stored(Shift, shift._id)).toMatchObject({ state: State.FINISHED, _task: { attempts: 2, claims: 2 } });
    expect(await stored(Shift, shift._id)).not.toHaveProperty('doneBy');
    const next = await Shift.push({ ms: 0 });
    await blocked.line((message) => message['finished'] === next.id);
  });

  it('keep one whose event loop was blocked for a while, but not past its lease', async () => {
    const program = await startShiftWorker({ leaseMs: 20_000 });
    const shift = await Shift.push({ kind: 'block', ms: 500 });

    await program.line((message) => message['finished'] === shift.id);

    expect(await stored(Shift, shift._id)).toMatchObject({ _task: { claims: 1 } });
  });
});
