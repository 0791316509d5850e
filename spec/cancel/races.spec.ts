import { Schema } from 'mongoose';
import { constant, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import fc, { propertyRuns } from '../support/property';
import { endLease, nativeOf, stored } from '../support/raw';
import { inTurns, Turns } from '../support/turns';

/** What the second handle does to the task, while the first cancels it. */
const VERBS = [
  'finish',
  'fail',
  'retry',
  'release',
  'snooze',
  'renew',
  'progress',
  'pop',
  'push',
  'cancel',
  'many',
] as const;
const ENDS: readonly string[] = [State.FINISHED, State.FAILED, State.CANCELLED];

describe('a cancel and whatever else is done to the task, at once', () => {
  const database = useDatabase();
  let turns: Turns | null = null;
  const make = (connection: ReturnType<typeof database.connection.useDb>) =>
    connection.model('Order', taskQueue(new Schema({ n: Number }), { backoff: constant(0), maxAttempts: 2 }));
  let models: Record<'canceller' | 'holder', ReturnType<typeof make>>;

  beforeAll(async () => {
    const own = () => database.connection.useDb(database.connection.name, { useCache: false });
    models = { canceller: make(own()), holder: make(own()) };
    await models.holder.ensureTaskIndexes();
    await models.canceller.ensureTaskIndexes();
    // The control document is there, so that the first signal is like the others.
    await models.canceller.cancel({});
  });

  it('have one outcome, the same for both', async () => {
    const choices = fc.array(fc.nat(1), { minLength: 12, maxLength: 12 });
    const cases = fc.record({
      verb: fc.constantFrom(...VERBS),
      isHeld: fc.boolean(),
      isOver: fc.boolean(),
      recurs: fc.boolean(),
      choices,
    });
    const { canceller: Canceller, holder: Holder } = models;
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(cases, async ({ verb, isHeld, isOver, recurs, choices: order }) => {
        await nativeOf(Holder).deleteMany({});
        const pushed = await Holder.push({}, recurs ? { every: 3_600_000, key: 'k' } : {});
        if (recurs) await endLease(Holder, pushed._id);
        const task = isHeld ? (await Holder.pop())! : (await Holder.findById(pushed._id))!;
        if (isHeld && isOver) await endLease(Holder, task._id);
        const other = (await Canceller.findById(pushed._id))!;

        let step = 0;
        turns = new Turns(
          (actors) => (order[step++ % order.length] ?? 0) % Math.max(1, actors.length),
          async () => {},
        );
        const outcome: Record<string, string> = {};
        const note = (name: string, doing: Promise<unknown>) =>
          doing.then(
            () => void (outcome[name] = 'done'),
            (error: Error) => void (outcome[name] = error.name),
          );
        let popped: typeof task | null = null;
        const deeds: Record<(typeof VERBS)[number], () => Promise<unknown>> = {
          finish: () => task.finish(),
          fail: () => task.fail(),
          retry: () => task.retry(),
          release: () => task.release(),
          snooze: () => task.release({ delayMs: 60_000 }),
          renew: () => task.renew(),
          progress: () => task.progress(1),
          pop: async () => void (popped = await Holder.pop()),
          push: () => task.push(),
          cancel: () => task.cancel(),
          many: () => Holder.cancel({}),
        };
        await turns.play({
          canceller: () => note('cancel', other.cancel({ reason: 'r' })),
          holder: () => note('verb', deeds[verb]()),
        });
        turns = null;

        const found = await stored(Holder, pushed._id);
        const state = found['state'] as string;
        const { schedule, cancel, settledAt } = found['_task'];
        if (outcome['cancel'] === 'done') {
          seen++;
          // It was cancelled, or its holder has the request; a task is never back in the queue with one.
          if (state === State.CREATED) expect(verb).toBe('push');
          else expect([State.CANCELLED, State.RUNNING, State.FINISHED, State.FAILED]).toContain(state);
          if (state !== State.CREATED) expect(schedule).toBeUndefined();
          if (state === State.RUNNING) expect(cancel).toHaveProperty('at');
          if (popped && state === State.CANCELLED) throw new Error('A cancelled task was handed out.');
        } else expect(['TaskStateError', 'LeaseLostError']).toContain(outcome['cancel']);
        if (state === State.CANCELLED) expect(settledAt >= cancel.at).toBe(true);
        // What a verb resolved to is what is there.
        if (outcome['verb'] === 'done' && ['finish', 'fail'].includes(verb) && !recurs) expect(task.state).toBe(state);
        if (outcome['verb'] === 'done' && ENDS.includes(task.state) && verb !== 'push') expect(task.state).toBe(state);

        // The end that comes by itself: the lease is over, and nobody gets the task again.
        if (outcome['cancel'] !== 'done' || state !== State.RUNNING) return;
        await endLease(Holder, pushed._id);
        expect(await Holder.pop()).toBeNull();
        expect((await stored(Holder, pushed._id))['state']).toBe(State.CANCELLED);
      }),
      { numRuns: propertyRuns(150) },
    );
    expect(seen).toBeGreaterThan(0);
  });

  beforeAll(() => {
    inTurns(models.canceller, 'canceller', () => turns);
    inTurns(models.holder, 'holder', () => turns);
  });
});
