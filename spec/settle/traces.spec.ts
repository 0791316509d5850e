import { Error as MongooseError, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { useDatabase } from '../support/database';

const TRACE = /\n {4}at .*traces\.spec/;

describe('the stack traces of a settle that saves changes', () => {
  const database = useDatabase();
  const seen: { limit: number; made: string; ofVersion: string | undefined }[] = [];
  const schema = new Schema(
    { to: { type: String, validate: (to: string) => !to.startsWith('throws') || fail('no address') } },
    { optimisticConcurrency: true },
  );
  schema.pre('save', function () {
    const { $versionError: error } = (this as unknown as { $__: { $versionError?: Error } }).$__;
    seen.push({ limit: Error.stackTraceLimit, made: new Error('here').stack!, ofVersion: error?.stack });
    if (this.to === 'hook') fail('not today');
  });
  const makeLetter = () => database.connection.model('Letter', taskQueue(schema));
  let Letter: ReturnType<typeof makeLetter>;

  beforeAll(() => {
    Letter = makeLetter();
  });
  beforeEach(() => {
    seen.length = 0;
  });

  function fail(message: string): never {
    throw new Error(message);
  }

  async function popped() {
    await Letter.push({ to: 'ada' });
    seen.length = 0;
    return (await Letter.pop())!;
  }

  const errorOf = async (settle: Promise<unknown>): Promise<Error> =>
    settle.then(
      () => fail('It was settled.'),
      (error: unknown) => error as Error,
    );

  it('cost nothing for the error that Mongoose makes in case it fails', async () => {
    const task = await popped();
    task.to = 'grace';

    await task.finish();

    expect(seen).toEqual([
      { limit: Error.stackTraceLimit, made: expect.stringMatching(TRACE), ofVersion: expect.any(String) },
    ]);
    expect(seen[0]!.ofVersion).toMatch(/^VersionError: /);
    expect(seen[0]!.ofVersion).not.toMatch(/\n {4}at /);
  });

  it('are there when that error is thrown', async () => {
    const task = await popped();
    await Letter.collection.updateOne({ _id: task._id }, { $inc: { __v: 1 } });
    task.to = 'grace';

    const error = await errorOf(task.finish());

    expect(error).toBeInstanceOf(MongooseError.VersionError);
    expect(error.stack).toMatch(/\n {4}at /);
  });

  it.each([
    ['hook', 'not today'],
    ['throws', 'no address'],
  ])('are those of the program where its own code throws (%s)', async (to, message) => {
    const task = await popped();
    task.to = to;

    const error = await errorOf(task.finish());

    const thrown =
      error instanceof MongooseError.ValidationError
        ? (error.errors['to'] as MongooseError.ValidatorError).reason!
        : error;
    expect(thrown.message).toBe(message);
    expect(thrown.stack).toMatch(TRACE);
  });

  it('are as long as the program says, before, within and after', async () => {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = 7;
    try {
      const tasks = [await popped(), await popped()];
      for (const task of tasks) task.to = 'grace';
      await Promise.all(tasks.map((task) => task.finish()));

      expect(seen.map(({ limit }) => limit)).toEqual([7, 7]);
      expect(Error.stackTraceLimit).toBe(7);
    } finally {
      Error.stackTraceLimit = before;
    }
  });
});
