import { Schema } from 'mongoose';
import { constant, taskQueue, UnrecoverableError, type TaskLogger } from 'mongoose-task-queue';
import { startProgram } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';
import { heldHandler, makeWorker, nextEvent } from '../support/worker';

type Line = [level: keyof TaskLogger, fields: Record<string, unknown>, message: string];

describe('the logger of a worker', () => {
  const database = useDatabase();
  const make = () =>
    database.connection.model('Email', taskQueue(new Schema({ to: String }), { maxAttempts: 2, backoff: constant(0) }));
  let Email: ReturnType<typeof make>;
  beforeAll(() => {
    Email = make();
  });
  beforeEach(() => nativeOf(Email).deleteMany({}));

  it('gets a line for each transition, with the model, the id, the attempt and the error', async () => {
    const { _id } = await Email.push({ to: 'ada' });
    const { logger, lines } = makeLogger();
    const first = new Error('try again');
    const second = new UnrecoverableError('no');
    const worker = makeWorker(Email, {
      logger,
      handler: (email) => Promise.reject(email.attempts === 1 ? first : second),
    });
    const failed = nextEvent(worker, 'failed');
    await worker.start();
    await failed;
    await worker.stop();

    const task = { model: 'Email', task: _id };
    expect(lines).toEqual([
      ['debug', { ...task, attempt: 1 }, 'task started'],
      ['warn', { ...task, attempt: 1, err: first }, 'task retried'],
      ['debug', { ...task, attempt: 2 }, 'task started'],
      ['error', { ...task, attempt: 2, err: second }, 'task failed'],
      ['info', {}, 'worker stopped'],
    ]);
  });

  it('is told of what finished, was given back and was lost', async () => {
    await Email.push([{ to: 'finished' }, { to: 'lost' }, { to: 'released' }]);
    const { logger, lines } = makeLogger();
    const held = heldHandler();
    const worker = makeWorker(Email, {
      logger,
      concurrency: 3,
      handler: async (email, context) => {
        if (email.to === 'lost') await nativeOf(Email).deleteOne({ _id: email._id });
        if (email.to === 'released') await held.handler(email, context);
      },
    });
    const ended = Promise.all([nextEvent(worker, 'finished'), nextEvent(worker, 'lost')]);
    await worker.start();
    await ended;
    await worker.stop({ timeoutMs: 0 });

    expect(lines.map(([level, , message]) => `${level} ${message}`)).toEqual(
      expect.arrayContaining(['info task finished', 'warn task lost', 'info task released']),
    );
  });

  it('hears of errors, which are then no process warning', async () => {
    const { logger, lines } = makeLogger();
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const error = new Error('the server is on fire');
    jest.spyOn(nativeOf(Email) as never, 'findOneAndUpdate' as never).mockImplementationOnce((() => {
      throw error;
    }) as never);
    const worker = makeWorker(Email, { logger, handler: () => {} });
    const idle = nextEvent(worker, 'idle');
    await worker.start();
    await idle;

    expect(lines[0]).toEqual(['error', { err: error }, 'worker goes on after an error']);
    expect(warned).not.toHaveBeenCalled();
    jest.restoreAllMocks();
  });

  it('that throws changes nothing', async () => {
    jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await Email.push({ to: 'ada' });
    const broken = () => {
      throw new Error('disk full');
    };
    const logger = { debug: broken, info: broken, warn: broken, error: broken };
    const worker = makeWorker(Email, { logger, handler: () => {} });
    const finished = nextEvent(worker, 'finished');
    await worker.start();
    await finished;

    await eventually(async () => expect(await nativeOf(Email).countDocuments({ state: 'FINISHED' })).toBe(1));
    jest.restoreAllMocks();
  });
});

describe('NODE_DEBUG=task-queue', () => {
  const database = useDatabase();

  it('prints one line for each transition, in the words of the API', async () => {
    const program = startProgram('traced', { uri: database.uri }, { NODE_DEBUG: 'task-queue' });
    const { ids } = await program.line((message) => 'ids' in message);
    await program.exit;

    const [finished, failed, nightly, lost] = ids as string[];
    const lines = program.stderr
      .split('\n')
      .filter((line) => line.startsWith('TASK-QUEUE'))
      .map((line) => line.replace(/^TASK-QUEUE \d+: /, ''));
    expect(lines).toEqual([
      `pushed Mail ${finished} attempt 0`,
      `pushed Mail ${failed} attempt 0`,
      `popped Mail ${finished} attempt 1`,
      `released Mail ${finished} attempt 0`,
      `popped Mail ${finished} attempt 1`,
      `finished Mail ${finished} attempt 1`,
      `popped Mail ${failed} attempt 1`,
      `retried Mail ${failed} attempt 1`,
      `popped Mail ${failed} attempt 2`,
      `failed Mail ${failed} attempt 2`,
      `pushed Mail ${nightly} attempt 0`,
      `unscheduled Mail ${nightly} attempt 0`,
      `pushed Mail ${lost} attempt 0`,
      `popped Mail ${lost} attempt 1`,
      `lost Mail ${lost} attempt 1`,
    ]);
  });

  it('prints nothing unless it is asked for', async () => {
    const program = startProgram('traced', { uri: database.uri });
    await program.exit;

    expect(program.stderr).not.toContain('TASK-QUEUE');
  });
});

function makeLogger(): { logger: TaskLogger; lines: Line[] } {
  const lines: Line[] = [];
  const write = (level: keyof TaskLogger) => (fields: object, message: string) => {
    lines.push([level, fields as Record<string, unknown>, message]);
  };

  return { logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }, lines };
}
