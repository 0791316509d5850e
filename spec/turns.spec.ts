import { Turns } from '../lib/turns';

describe('turns', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

  /** Does something and tells how often `note()` was called at most in one turn of the event loop. */
  const mostInOneTurn = async (work: (note: () => void) => Promise<unknown>) => {
    let isOver = false;
    let most = 0;
    let count = 0;
    const next = () => {
      most = Math.max(most, count);
      count = 0;
      if (!isOver) setImmediate(next);
    };
    setImmediate(next);
    await work(() => count++);
    isOver = true;

    return Math.max(most, count);
  };

  it('go through a list in its order', async () => {
    expect(await new Turns().map(numbers(10_000), (number) => -number)).toEqual(
      numbers(10_000).map((number) => -number),
    );
  });

  it('let others have theirs within a long list', async () => {
    expect(await mostInOneTurn((note) => new Turns().each(numbers(10_000), note))).toBe(250);
  });

  it('let others have theirs between many short lists', async () => {
    const work = async (note: () => void) => {
      const turns = new Turns();
      for (let list = 0; list < 1_000; list++) await turns.map(numbers(10), note);
    };

    expect(await mostInOneTurn(work)).toBe(250);
  });

  it('take none for what is short', async () => {
    expect(await mostInOneTurn((note) => new Turns().each(numbers(200), note))).toBe(200);
  });

  it('end with the error of a visit', async () => {
    const visit = (number: number) => {
      if (number === 700) throw new Error('at 700');
    };

    await expect(new Turns().each(numbers(1_000), visit)).rejects.toThrow('at 700');
  });
});
