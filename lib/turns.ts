import { nextTurn } from './timers';

/** Items that are looked at in one turn of the event loop: a fraction of a millisecond, or what others wait for takes twice as long. */
const PART = 250;

/** Goes through lists that may be long, together or one alone, and lets whatever else the process does have its turns in between. */
export class Turns {
  #left = PART;

  async each<Item>(items: Iterable<Item>, visit: (item: Item) => unknown): Promise<void> {
    for (const item of items) {
      if (this.#left === 0) {
        await nextTurn();
        this.#left = PART;
      }
      this.#left--;
      visit(item);
    }
  }

  async map<Item, Result>(items: Iterable<Item>, toResult: (item: Item) => Result): Promise<Result[]> {
    const results: Result[] = [];
    await this.each(items, (item) => results.push(toResult(item)));

    return results;
  }
}
