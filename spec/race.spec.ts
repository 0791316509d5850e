import { Schema } from 'mongoose';
import { Priority, taskQueue } from 'mongoose-task-queue';
import { startProgram } from './support/child';
import { useDatabase } from './support/database';

const TASKS = 5_000;
const PROCESSES = 4;
const CALLERS = 32;
const PRIORITIES = [Priority.HIGH, Priority.MEDIUM, Priority.LOW];

describe('a race', () => {
  const database = useDatabase();
  const makeLetter = () => database.connection.model('Letter', taskQueue(new Schema({ number: Number })));
  let Letter: ReturnType<typeof makeLetter>;

  beforeAll(() => {
    Letter = makeLetter();
  });

  beforeEach(async () => {
    await Letter.deleteMany({});
  });

  it.each([
    { verb: 'pop', limit: 0 },
    { verb: 'popMany', limit: 20 },
  ])('of 4 processes with 32 callers each hands out each task once and in order, by $verb', async ({ limit }) => {
    const reports = await race(limit);

    const popped = reports.flat(2);
    expect(popped).toHaveLength(TASKS);
    expect(new Set(popped).size).toBe(TASKS);
    const claimedOnce = { state: 'RUNNING', '_task.attempts': 1, '_task.claims': 1 };
    expect(await Letter.collection.countDocuments(claimedOnce)).toBe(TASKS);
    // Each caller for itself got them by priority, then in the order of the pushes.
    for (const numbers of reports.flat()) expect(numbers).toEqual(inClaimOrder(numbers));
    // No process came too late to take part.
    for (const byCaller of reports) expect(byCaller.flat().length).toBeGreaterThan(0);
  });

  it('is none for a single caller: it pops by priority, then in the order of the pushes', async () => {
    const numbers = Array.from({ length: 60 }, (_, number) => number);
    for (const number of numbers) await Letter.push({ number, priority: priorityOf(number) });

    const popped: unknown[] = [];
    for (let task = await Letter.pop(); task; task = await Letter.pop()) popped.push(task.number);

    expect(popped).toEqual(inClaimOrder(numbers));
  });

  /** What each caller of each process popped. */
  async function race(limit: number): Promise<number[][][]> {
    const input = { uri: database.uri, tasks: TASKS, callers: CALLERS, limit };
    const claimers = Array.from({ length: PROCESSES }, () => startProgram('claimer', input));
    await Promise.all(claimers.map((claimer) => claimer.line((message) => 'ready' in message)));
    await Letter.push(Array.from({ length: TASKS }, (_, number) => ({ number, priority: priorityOf(number) })));

    const ends = await Promise.all(claimers.map(({ exit }) => exit));

    const stderr = claimers.map((claimer) => claimer.stderr).join('');
    expect({ codes: ends.map(({ code }) => code), stderr }).toEqual({ codes: [0, 0, 0, 0], stderr: '' });
    return claimers.map(({ messages }) =>
      messages.filter((message) => 'popped' in message).map(({ popped }) => popped as number[]),
    );
  }
});

function priorityOf(number: number): number {
  return PRIORITIES[number % PRIORITIES.length]!;
}

function inClaimOrder(numbers: number[]): number[] {
  return numbers.toSorted((a, b) => priorityOf(b) - priorityOf(a) || a - b);
}
