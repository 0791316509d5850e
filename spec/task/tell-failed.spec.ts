import { Schema } from 'mongoose';
import { constant, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf, rawUpdate, stored } from '../support/raw';
import { makeWorker, nextEvent, recordEvents } from '../support/worker';

describe('a task that has used its attempts without being settled', () => {
  const database = useDatabase();
  const makeJob = () =>
    database.connection.model('Job', taskQueue(new Schema({ n: Number }), { maxAttempts: 1, backoff: constant(0) }));
  let Job: ReturnType<typeof makeJob>;

  beforeAll(async () => {
    Job = makeJob();
    await Job.ensureTaskIndexes();
  });
  beforeEach(() => nativeOf(Job).deleteMany({}));
  afterEach(() => jest.restoreAllMocks());

  /** One whose holder died, and whose lease is over. */
  async function crash() {
    const job = await Job.push({ n: 1 });
    await Job.pop();
    await rawUpdate(Job, job._id, { $set: { '_task.availableAt': new Date(0) } });
    return job;
  }

  it('is told by `failed` of the worker that fails it, and by its logger', async () => {
    const { id, _id } = await crash();
    const lines: [object, string][] = [];
    const line = (fields: object, message: string) => void lines.push([fields, message]);
    const worker = makeWorker(Job, {
      handler: () => {},
      logger: { debug: line, info: line, warn: line, error: line },
    });
    const events = recordEvents(worker);
    const failed = nextEvent(worker, 'failed');
    await worker.start();

    const [job, error] = await failed;

    expect([job.id, job.state, job.failures.length]).toEqual([id, State.FAILED, 1]);
    expect(error).toMatchObject({
      name: 'TaskStateError',
      taskId: _id,
      message: expect.stringContaining('lease') as unknown,
    });
    await worker.stop();
    expect(events.map(([name]) => name)).toEqual(['failed', 'stopped']);
    expect(lines).toContainEqual([expect.objectContaining({ model: 'Job', task: _id, err: error }), 'task failed']);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['pop()', () => Job.pop()],
    ['popMany()', () => Job.popMany(5)],
  ])("is told by the model's `error` listeners to who meets it by %s", async (_, look) => {
    const { _id } = await crash();
    const errors: unknown[] = [];
    const listener = (error: unknown) => void errors.push(error);
    Job.on('error', listener);

    await look();

    Job.off('error', listener);
    expect(errors).toMatchObject([{ name: 'TaskStateError', taskId: _id, state: State.FAILED }]);
    expect(await stored(Job, _id)).toMatchObject({ state: State.FAILED });
  });

  it('is handed to nobody because a listener throws, nor does that reach the caller', async () => {
    await crash();
    const next = await Job.push({ n: 2 });
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const listener = () => {
      throw new Error('the logger is out of order');
    };
    Job.on('error', listener);

    const job = await Job.pop();

    Job.off('error', listener);
    expect(job!.id).toBe(next.id);
    await eventually(() =>
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('out of order'), 'TaskQueueWarning'),
    );
  });
});
