import { Refusals } from '../claim/refusals';
import type { Definition } from '../definition/definition';
import { wake } from '../waiting/wake';

/** A pass over the outboxes that is under way while candidates are looked at. */
export class Waking {
  readonly refusals = new Refusals();
  readonly woken: Promise<number>;
  /** Whether the last look began when it was over. */
  wasLookedAfter = false;
  readonly #hasNews: Promise<boolean>;
  #isOver = false;

  constructor(
    definition: Definition,
    private readonly isSpread: boolean,
  ) {
    let tell: (hasNews: boolean) => void;
    this.#hasNews = new Promise((resolve) => (tell = resolve));
    this.woken = wake(definition, (hasNews) => tell(hasNews)).finally(() => {
      this.#isOver = true;
      tell(true);
    });
    this.woken.catch(() => {});
  }

  look(): void {
    this.wasLookedAfter = this.#isOver;
  }

  /**
   * Whether tasks were woken since the last look, which may come before those that it saw, where the order counts. Waits for it only
   * if there are any.
   */
  async hasOvertaken(): Promise<boolean> {
    if (this.isSpread || this.wasLookedAfter || !(await this.#hasNews)) return false;

    return (await this.woken) > 0;
  }
}
