import { Schema, type Model } from 'mongoose';
import { writeConfirmed, type Bounds } from '../../lib/waiting/bounded-write';
import { isOutOfReach } from '../../lib/server/transient';
import { openConnection } from '../support/connections';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

jest.mock('../../lib/timers', () => jest.requireActual<object>('../support/fakeable-timers'));

const MAJORITY = { writeConcern: { w: 'majority' } } as const;

/** The answer to a write that was applied, and that the majority did not have in time. */
const unconfirmed = () => Object.assign(new Error('waiting for replication timed out'), UNCONFIRMED);
const UNCONFIRMED = { name: 'MongoWriteConcernError', code: 64 };
/** The answer to one that met a locked document. */
const locked = () => Object.assign(new Error('operation exceeded time limit'), { code: 50 });

describe('a write that waits only so long', () => {
  const database = useDatabase();
  let Thing: Model<any>;
  let elections: number;
  let confirmations: number;

  beforeEach(async () => {
    // Nobody has asked the clock of this connection before: tasks of another one wait for its documents.
    const connection = await openConnection(database.uri);
    Thing = connection.model('Thing', new Schema({})) as never;
    elections = 0;
    confirmations = 0;
    jest.spyOn(nativeOf(Thing), 'updateOne').mockImplementation((async () => {
      confirmations++;
      if (elections-- > 0) connection.getClient().emit('serverHeartbeatFailed', {} as never);
    }) as never);
  });

  /** Writes three documents, and returns which each write had, and how it waited. */
  async function write(answer: (items: number[], bounds: Bounds) => void) {
    const writes: { items: number[]; w: unknown }[] = [];
    const refused = await writeConfirmed(Thing, MAJORITY, [1, 2, 3], {
      write: async (items, bounds) => {
        writes.push({ items, w: bounds.writeConcern?.w });
        answer(items, bounds);
      },
      isRefusal: (error) => (error as { code?: number }).code === 50,
    });

    return { writes, refused: refused.map(({ item }) => item) };
  }
  const whole = { items: [1, 2, 3], w: 'majority' };

  it('is made once where its answer says that a majority has it', async () => {
    expect(await write(() => {})).toEqual({ writes: [whole], refused: [] });
    expect(confirmations).toBe(0);
  });

  it('is confirmed where it says that no majority has it yet', async () => {
    expect(await write(() => throws(unconfirmed()))).toEqual({ writes: [whole], refused: [] });
    expect(confirmations).toBe(1);
  });

  it('is made again where another primary confirmed it, which may have rolled it back', async () => {
    elections = 2;

    expect(await write(() => throws(unconfirmed()))).toEqual({ writes: [whole, whole, whole], refused: [] });
    expect(confirmations).toBe(3);
  });

  it('needs no confirmation the second time if a majority has it by then', async () => {
    elections = 1;
    const answers = [() => throws(unconfirmed()), () => {}];

    expect(await write(() => answers.shift()!())).toEqual({ writes: [whole, whole], refused: [] });
    expect(confirmations).toBe(1);
  });

  it('is made again also where documents are locked, and each that is not was written without waiting', async () => {
    elections = 1;
    // However busy this machine is: reading takes no time, so what is slow is locked.
    jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    const refuseTwo = (items: number[]) => {
      if (items.includes(2)) throw locked();
    };

    const { writes, refused } = await write(refuseTwo);

    jest.restoreAllMocks();
    expect(refused).toEqual([2]);
    const round = [whole, { items: [1, 2], w: 1 }, { items: [1], w: 1 }, { items: [2], w: 1 }, { items: [3], w: 1 }];
    expect(writes).toEqual([...round, ...round]);
    expect(confirmations).toBe(2);
  });

  it('ends as with a lost connection where one primary after the other is replaced', async () => {
    elections = Number.POSITIVE_INFINITY;

    const error: unknown = await write(() => throws(unconfirmed())).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ message: expect.stringContaining('primary') });
    expect(isOutOfReach(error)).toBe(true);
  });
});

function throws(error: Error): never {
  throw error;
}
