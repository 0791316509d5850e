import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { nativeOf } from '../support/raw';
import { heldHandler, makeWorker, recordEvents, startWorker } from '../support/worker';

/** More than one part of a claim. */
const MANY = 250;

describe('a worker that claims many tasks', () => {
  const database = useDatabase();
  const makeEmail = () => database.connection.model('Email', taskQueue(new Schema({ to: Number })));
  let Email: ReturnType<typeof makeEmail>;

  beforeAll(async () => {
    Email = makeEmail();
    await Email.ensureTaskIndexes();
  });
  beforeEach(async () => {
    await nativeOf(Email).deleteMany({});
    await Email.push(Array.from({ length: MANY }, (_, to) => ({ to })));
  });
  afterEach(() => jest.restoreAllMocks());

  /** Puts something in front of the second part's claim. */
  const beforeSecondPart = (step: () => Promise<void>) => {
    const updateMany = Email.collection.updateMany.bind(Email.collection);
    const claims = jest.spyOn(Email.collection, 'updateMany');
    claims.mockImplementation(async (...claim) => {
      if (claims.mock.calls.length === 2) await step();
      return updateMany(...claim);
    });
  };

  it('begins with the first of them while it claims the others', async () => {
    const { handler, calls } = heldHandler<{ to?: number | null }>();
    const startedBefore: unknown[] = [];
    beforeSecondPart(async () => {
      await eventually(() => expect(calls.length).toBeGreaterThan(0));
      startedBefore.push(...calls.map(({ task }) => task.to));
    });
    await startWorker(Email, { handler, concurrency: MANY });

    await eventually(() => expect(calls).toHaveLength(MANY));

    expect(startedBefore.length).toBeLessThan(MANY);
    expect(calls.map(({ task }) => task.to)).toEqual(Array.from({ length: MANY }, (_, to) => to));
    calls.forEach(({ end }) => end.resolve());
  });

  it('works on those it has when the claim of the others fails, and claims them later', async () => {
    beforeSecondPart(() => Promise.reject(new Error('no second part')));
    const worker = makeWorker(Email, { handler: () => {}, concurrency: MANY });
    const events = recordEvents(worker);
    await worker.start();

    await eventually(() => expect(events.filter(([name]) => name === 'finished')).toHaveLength(MANY));

    const errors = events.filter(([name]) => name === 'error').map(([, error]) => (error as Error).message);
    expect(errors).toEqual(['no second part']);
    expect(await nativeOf(Email).countDocuments({ state: 'FINISHED', '_task.claims': 1 })).toBe(MANY);
  });
});
