import { Refusals } from '../claim/refusals';
import type { Definition } from '../definition/definition';
import { wake } from '../waiting/wake';

/** A pass over the outboxes that runs while candidates are looked at. */
export class Waking {
  readonly refusals = new Refusals();
  readonly woken: Promise<number>;
  /** Whether the last look at the candidates began after the pass. */
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
   * Whether tasks were woken that may come before those of the last look, where order counts. Waits for the end of the pass only if it
   * wakes tasks.
   */
  async hasOvertaken(): Promise<boolean> {
    if (this.isSpread || this.wasLookedAfter || !(await this.#hasNews)) return false;

    return (await this.woken) > 0;
  }
}
