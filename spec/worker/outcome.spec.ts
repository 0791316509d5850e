import { Schema } from 'mongoose';
import { constant, LeaseLostError, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { nativeOf, stored } from '../support/raw';
import { heldHandler, recordEvents, startWorker } from '../support/worker';

const LATER_MS = 3_600_000;

type Call = (...args: unknown[]) => Promise<unknown>;

describe('a worker that is stopped tells of one outcome, the handler and its listeners alike,', () => {
  const database = useDatabase();
  let number = 0;
  const makeEmail = () =>
    database.connection.model(
      `Email${++number}`,
      taskQueue(new Schema({ to: String }), { leaseMs: 60_000, maxAttempts: 2, backoff: constant(LATER_MS) }),
    );
  type Email = InstanceType<ReturnType<typeof makeEmail>>;

  afterEach(() => jest.restoreAllMocks());

  type Verb = 'finish' | 'retry' | 'release' | 'fail';
  const verbs: [Verb, string][] = [
    ['finish', 'finished'],
    ['retry', 'retried'],
    ['release', 'released'],
    ['fail', 'failed'],
  ];

  /** Tells how a settle of the handler's ended. */
  const answerTo = (settled: Promise<unknown>) =>
    settled.then(
      () => 'ok',
      (error: unknown) => (error instanceof LeaseLostError ? 'LeaseLostError' : error),
    );

  it.each(verbs)('where it calls %s() when it hears of the abort', async (verb) => {
    const Email = makeEmail();
    const { _id } = await Email.push({ to: 'ada' });
    const answered = deferred<unknown>();
    const { handler, call } = heldHandler<Email>();
    const worker = await startWorker(Email, {
      handler: (email, context) => {
        context.signal.addEventListener('abort', () => void answerTo(email[verb]()).then(answered.resolve));
        return handler(email, context);
      },
    });
    await call(1);
    const events = recordEvents(worker);

    await worker.stop({ timeoutMs: 0 });

    expect(await answered.promise).toBe('LeaseLostError');
    expect(events.map(([name]) => name)).toEqual(['released', 'stopped']);
    expect(await stored(Email, _id)).toMatchObject({ state: State.CREATED, _task: { attempts: 0 } });
  });

  describe.each(['answered soon', 'answered late', 'sent late'] as const)(
    'where it called one before, which is %s:',
    (when) => {
      it.each(verbs)('%s()', async (verb, name) => {
        const Email = makeEmail();
        const { _id } = await Email.push({ to: 'ada' });
        const collection = nativeOf(Email) as unknown as Record<string, Call>;
        const [sent, go] = [deferred(), deferred()];
        let isFirst = true;
        for (const method of ['updateOne', 'bulkWrite']) {
          const original = collection[method]!;
          jest.spyOn(collection, method).mockImplementation(async (...args) => {
            const isHeld = isFirst;
            isFirst = false;
            sent.resolve();
            if (isHeld && when === 'sent late') await go.promise;
            const result = await original.apply(collection, args);
            if (isHeld && when !== 'sent late') await go.promise;
            return result;
          });
        }
        const answered = deferred<unknown>();
        const worker = await startWorker(Email, {
          handler: async (email) => answered.resolve(await answerTo(email[verb]())),
        });
        await sent.promise;
        const events = recordEvents(worker);
        await eventually(async () => {
          const { state } = await stored(Email, _id);
          expect(state === State.RUNNING).toBe(when === 'sent late');
        });
        if (when === 'answered soon') setTimeout(go.resolve, 20);

        await worker.stop({ timeoutMs: 0 });
        go.resolve();

        const isOurs = when === 'sent late';
        expect(await answered.promise).toBe(isOurs ? 'LeaseLostError' : 'ok');
        expect(events.map(([event]) => event)).toEqual([isOurs ? 'released' : name, 'stopped']);
      });
    },
  );
});
