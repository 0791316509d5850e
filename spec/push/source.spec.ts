import { Readable } from 'node:stream';
import { Schema } from 'mongoose';
import { InvalidOptionError, push, State, taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { popSoon } from '../support/pop-soon';

const PART = 500;

describe('push of an async iterable', () => {
  const database = useDatabase();
  const makeMail = () =>
    database.connection.model('Mail', taskQueue(new Schema({ n: { type: Number, required: true } })));
  let Mail: ReturnType<typeof makeMail>;

  beforeAll(() => {
    Mail = makeMail();
  });

  beforeEach(async () => {
    await Mail.deleteMany({});
  });

  /** Yields so many, and notes how many it was asked for and whether it was ended. */
  function sourceOf(count: number, seen = { asked: 0, isEnded: false }) {
    async function* numbers(): AsyncGenerator<{ n: number }> {
      try {
        for (let n = 0; n < count; n++) {
          seen.asked++;
          yield { n };
        }
      } finally {
        seen.isEnded = true;
      }
    }
    return { source: numbers(), seen };
  }

  it('queues what a generator yields, in its order, and tells how many', async () => {
    const count = 2 * PART + 1;

    expect(await Mail.push(sourceOf(count).source)).toEqual({ pushed: count });

    expect(await Mail.countDocuments({ state: State.CREATED })).toBe(count);
    expect((await Mail.popMany(3)).map(({ n }) => n)).toEqual([0, 1, 2]);
  });

  it('takes the documents of a cursor, and streams of objects', async () => {
    const stored = await Mail.insertMany(Array.from({ length: 5 }, (_, n) => ({ n, state: State.FINISHED })));

    expect(await Mail.push(Mail.find({ state: State.FINISHED }).cursor())).toEqual({ pushed: stored.length });
    expect(await Mail.push(Readable.from([{ n: 5 }, new Mail({ n: 6 })]) as AsyncIterable<{ n: number }>)).toEqual({
      pushed: 2,
    });

    expect(await Mail.countDocuments({ state: State.CREATED })).toBe(7);
  });

  it('queues nothing of an empty one', async () => {
    expect(await Mail.push(sourceOf(0).source)).toEqual({ pushed: 0 });
  });

  it('gives its options to every task, also as a function', async () => {
    expect(await push(Mail, sourceOf(PART + 2).source, { delayMs: 3_600_000 })).toEqual({ pushed: PART + 2 });

    expect((await Mail.stats()).delayed).toBe(PART + 2);
  });

  it('keeps nothing back while the source waits for more', async () => {
    const more = deferred();
    async function* slow() {
      yield { n: 1 };
      await more.promise;
      yield { n: 2 };
    }

    const pushing = Mail.push(slow());
    const first = await popSoon(Mail);
    more.resolve();

    expect(first?.n).toBe(1);
    expect(await pushing).toEqual({ pushed: 2 });
  });

  it('asks the source for no more than one while a part is written', async () => {
    const { source, seen } = sourceOf(3 * PART);
    const written = deferred();
    const insert = jest.spyOn(Mail.collection, 'insertMany').mockImplementationOnce(async () => {
      await written.promise;
      throw new Error('The disk is full.');
    });

    const refused = expect(Mail.push(source)).rejects.toThrow('The disk is full.');
    await eventually(() => expect(insert).toHaveBeenCalled());
    const { asked } = seen;
    written.resolve();
    await refused;

    expect(asked).toBe(PART + 1);
    expect(seen).toEqual({ asked, isEnded: true });
    insert.mockRestore();
  });

  it('has queued the parts before one that is refused, nothing of that one, and ends the source', async () => {
    let isEnded = false;
    async function* bad() {
      try {
        for (let n = 0; n < PART + 5; n++) yield { n };
        yield { n: null as never };
        for (;;) yield { n: 0 };
      } finally {
        isEnded = true;
      }
    }

    await expect(Mail.push(bad())).rejects.toThrow('Mail validation failed');

    expect(isEnded).toBe(true);
    expect(await Mail.countDocuments()).toBe(PART);
  });

  it('rejects with what the source throws, with the parts before queued', async () => {
    async function* failing() {
      for (let n = 0; n < PART; n++) yield { n };
      throw new Error('The file ends here.');
    }

    await expect(Mail.push(failing())).rejects.toThrow('The file ends here.');

    expect(await Mail.countDocuments()).toBe(PART);
  });

  it('refuses a key, and asks the source for nothing then', async () => {
    const { source, seen } = sourceOf(1);

    await expect(Mail.push(source, { key: 'one' })).rejects.toThrow(InvalidOptionError);

    expect(seen.asked).toBe(0);
  });
});
