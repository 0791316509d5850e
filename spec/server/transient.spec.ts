import { createConnection, mongo, type Connection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { isMissingIndex, isTimeExpired, persistently } from '../../lib/server/transient';
import { useDatabase } from '../support/database';
import { startProxy, type Proxy } from '../support/proxy';
import { nativeOf, stored } from '../support/raw';

const writeConflict = () => new mongo.MongoServerError({ message: 'WriteConflict', code: 112 });
const connectionLost = () => new mongo.MongoNetworkError('connection closed');

describe('persistently', () => {
  beforeEach(() => {
    jest.spyOn(Math, 'random').mockReturnValue(0); // No waiting between two tries.
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('resolves to what the operation returns', async () => {
    const { operation, told } = scripted('done');

    expect(await persistently(operation)).toBe('done');
    expect(told).toEqual([false]);
  });

  it('runs the operation again after a write conflict, which certainly wrote nothing', async () => {
    const { operation, told } = scripted(writeConflict(), writeConflict(), 'done');

    expect(await persistently(operation)).toBe('done');
    expect(told).toEqual([false, false, false]);
  });

  it.each([
    ['a broken connection', connectionLost()],
    ['a connection that took too long', new mongo.MongoNetworkTimeoutError('connection timed out')],
    ['a pool that was cleared while it waited', poolCleared('MongoPoolClearedError')],
    ['a pool that was cleared while it was under way', poolCleared('PoolClearedOnNetworkError')],
    ['a primary that steps down', labelled('RetryableWriteError')],
    ['a primary that is none any more', new mongo.MongoServerError({ message: 'not primary', code: 10_107 })],
    ['a write that a step-down interrupted', new mongo.MongoServerError({ message: 'interrupted', code: 11_602 })],
  ])('tells the operation after %s that it may have been carried out', async (_what, error) => {
    const { operation, told } = scripted(error, 'done');

    expect(await persistently(operation)).toBe('done');
    expect(told).toEqual([false, true]);
  });

  it('goes on telling so when the next try fails for another reason', async () => {
    const { operation, told } = scripted(connectionLost(), writeConflict(), 'done');

    await persistently(operation);

    expect(told).toEqual([false, true, true]);
  });

  it.each([
    ['a duplicate key', new mongo.MongoServerError({ message: 'E11000', code: 11_000 })],
    ['a time limit', new mongo.MongoServerError({ message: 'operation exceeded time limit', code: 50 })],
    ['no server at all', new mongo.MongoServerSelectionError('timed out', {} as mongo.TopologyDescription)],
    ['a mistake in the code', new TypeError('undefined is not a function')],
    ['what is not even an error', null],
  ])('throws %s at once', async (_what, error) => {
    const { operation, told } = scripted(error, 'done');

    await expect(persistently(operation)).rejects.toBe(error);
    expect(told).toEqual([false]);
  });

  it('gives up after five tries, with the last error', async () => {
    const last = writeConflict();
    const { operation, told } = scripted(connectionLost(), connectionLost(), writeConflict(), writeConflict(), last);

    await expect(persistently(operation)).rejects.toBe(last);
    expect(told).toHaveLength(5);
  });

  it('waits before each try for up to twice as long as before the last', async () => {
    jest.mocked(Math.random).mockReturnValue(1);
    const times: number[] = [];
    const operation = async () => {
      times.push(performance.now());
      throw writeConflict();
    };

    await expect(persistently(operation)).rejects.toThrow('WriteConflict');

    const waits = times.slice(1).map((time, index) => time - times[index]!);
    for (const [index, leastMs] of [20, 40, 80, 160].entries()) expect(waits[index]).toBeGreaterThan(leastMs - 2);
  });
});

describe('isTimeExpired', () => {
  it('knows the error of a time limit', () => {
    expect(isTimeExpired(new mongo.MongoServerError({ message: 'exceeded time limit', code: 50 }))).toBe(true);
    expect(isTimeExpired(writeConflict())).toBe(false);
    expect(isTimeExpired(null)).toBe(false);
  });
});

describe('isMissingIndex', () => {
  const database = useDatabase();

  it("knows the server's answer to a hint that names no index, and no other bad value", async () => {
    const rows = database.connection.collection('rows');
    await rows.insertOne({ number: 1 });

    const missing = await rows.find({}, { hint: 'nowhere' }).toArray().catch(itself);
    const malformed = await rows.find({ $and: [] }).toArray().catch(itself);

    expect((malformed as mongo.MongoServerError).code).toBe((missing as mongo.MongoServerError).code);
    expect(isMissingIndex(missing)).toBe(true);
    expect(isMissingIndex(malformed)).toBe(false);
  });
});

describe('a claim whose connection breaks', () => {
  const database = useDatabase();
  const makeLetter = (connection = database.connection) =>
    connection.model('Letter', taskQueue(new Schema({ number: Number })));
  let Letter: ReturnType<typeof makeLetter>;

  beforeAll(() => {
    Letter = makeLetter();
  });

  beforeEach(async () => {
    await Letter.deleteMany({});
    await Letter.push([{ number: 1 }, { number: 2 }]);
    await Letter.pop({}).then((task) => task!.release()); // The indexes are there, so the next write is the claim.
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('after it was carried out finds its task by the token: attempt 1, handed out once', async () => {
    breakOnce('findOneAndUpdate', 'after');

    const task = await Letter.pop();

    expect(task).toMatchObject({ number: 1, attempts: 1, lease: { attempt: 1 } });
    expect((await stored(Letter, task!._id))['_task']).toMatchObject({ attempts: 1, claims: 2 });
    expect((await Letter.pop())?.number).toBe(2);
    expect(await Letter.pop()).toBeNull();
    expect(await task!.finish()).toMatchObject({ state: 'FINISHED' });
  });

  it('before it was carried out is made again: attempt 1', async () => {
    breakOnce('findOneAndUpdate', 'before');

    const task = await Letter.pop();

    expect(task).toMatchObject({ number: 1, attempts: 1 });
    expect(await Letter.countDocuments({ state: 'RUNNING' })).toBe(1);
  });

  it.each(['before', 'after'] as const)('%s many were claimed hands each out once', async (when) => {
    breakOnce('updateMany', when);

    const tasks = await Letter.popMany(10);

    expect(tasks.map(({ number, attempts }) => ({ number, attempts }))).toEqual([
      { number: 1, attempts: 1 },
      { number: 2, attempts: 1 },
    ]);
    expect(await Letter.pop()).toBeNull();
  });

  it('so long after many were claimed that their leases have ended does not claim them twice', async () => {
    breakOnce('updateMany', 'after', () =>
      nativeOf(Letter).updateMany({}, { $set: { '_task.availableAt': new Date(0) } }),
    );

    const tasks = await Letter.popMany(10);

    expect(tasks.map(({ number, attempts }) => ({ number, attempts }))).toEqual([
      { number: 1, attempts: 1 },
      { number: 2, attempts: 1 },
    ]);
  });

  it('is given up after five tries, with the error', async () => {
    const claims = jest.spyOn(nativeOf(Letter), 'findOneAndUpdate').mockRejectedValue(connectionLost());

    await expect(Letter.pop()).rejects.toThrow('connection closed');

    expect(claims).toHaveBeenCalledTimes(5);
    claims.mockRestore();
    expect((await Letter.pop())?.number).toBe(1);
  });

  describe('and is the only one, while another claim waits for it', () => {
    let proxy: Proxy;
    let connection: Connection;

    beforeEach(async () => {
      proxy = await startProxy(database.uri);
      connection = await createConnection(proxy.uri, { maxPoolSize: 1 }).asPromise();
    });

    afterEach(async () => {
      await connection.destroy();
      await proxy.close();
    });

    it('fails neither of the two', async () => {
      const Distant = makeLetter(connection);
      await Distant.isEmpty();
      const lost = proxy.loseReplyTo('findAndModify');

      const tasks = await Promise.all([Distant.pop(), Distant.pop()]);

      await lost;
      expect(new Set(tasks.map((task) => task?.number))).toEqual(new Set([1, 2]));
      expect(tasks.map((task) => task?.attempts)).toEqual([1, 1]);
    });
  });

  /** The next operation of that name loses its connection, before or after the server has carried it out. */
  function breakOnce(
    name: 'findOneAndUpdate' | 'updateMany',
    when: 'before' | 'after',
    meanwhile: () => Promise<unknown> = async () => {},
  ): void {
    const collection = nativeOf(Letter) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const carryOut = collection[name]!;
    jest.spyOn(collection, name).mockImplementationOnce(async (...args) => {
      if (when === 'after') await carryOut.apply(collection, args);
      await meanwhile();
      throw connectionLost();
    });
  }
});

/** An operation that does one thing after the other, and what it was told each time. */
function scripted(...outcomes: unknown[]): { operation: (again: boolean) => Promise<unknown>; told: boolean[] } {
  const told: boolean[] = [];
  const operation = async (again: boolean) => {
    const outcome = outcomes[told.push(again) - 1];
    // What is thrown here is sometimes on purpose no error.
    // oxlint-disable-next-line typescript/only-throw-error
    if (outcome !== 'done') throw outcome;
    return outcome;
  };

  return { operation, told };
}

function labelled(label: string): mongo.MongoServerError {
  const error = new mongo.MongoServerError({ message: 'not primary', code: 10_107 });
  error.addErrorLabel(label);

  return error;
}

// The driver has these two of its own, which it does not export.
function poolCleared(name: string): mongo.MongoNetworkError {
  class PoolCleared extends mongo.MongoNetworkError {
    override get name() {
      return name;
    }
  }

  return new PoolCleared('connection pool was cleared because another operation failed');
}

function itself(error: unknown): unknown {
  return error;
}
