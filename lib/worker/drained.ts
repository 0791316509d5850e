import type { AnyModel } from '../definition/definition';
import { TaskQueueError } from '../errors';
import type { Claimed } from './claimer';
import { isAnyPaused } from './status';

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/** Tells when a worker has nothing to do: by its event `idle`, and to those who wait for it. */
export class Draining {
  readonly #waiting = new Set<Waiting>();
  /** Whether `idle` was told since a task was last claimed. */
  #isIdle = false;
  #hasEnded = false;

  constructor(
    private readonly models: readonly AnyModel[],
    private readonly tellIdle: () => void,
  ) {}

  /** Resolves when a claim that begins from now on finds nothing, while nothing is in hand and nothing is paused. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) return reject(notRunning());
      this.#waiting.add({ resolve, reject });
    });
  }

  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Call it before each claim, with whether a task is in hand, which may make another one ready after the claim has looked. Call the returned
   * function after the claim, with whether one is in hand then, or more may be there.
   */
  begin(wasInHand: boolean): (claimed: Claimed, isInHand: boolean) => void {
    const before = [...this.#waiting];

    return ({ count, errors, isFailed }, isInHand) => {
      if (count > 0) this.#isIdle = false;
      if (wasInHand || isInHand || isFailed) return;
      if (!this.#isIdle) this.tellIdle();
      this.#isIdle = true;
      if (count > 0 || errors.length > 0 || isAnyPaused(this.models)) return;
      for (const waiting of before) if (this.#waiting.delete(waiting)) waiting.resolve();
    };
  }

  /** Nothing is claimed any more. */
  end(): void {
    this.#hasEnded = true;
    for (const { reject } of this.#waiting) reject(notRunning());
    this.#waiting.clear();
  }
}

export function notRunning(): TaskQueueError {
  return new TaskQueueError(
    'The worker does not claim tasks, so it drains nothing. Call `start()` before `drained()`, and `stop()` after it.',
  );
}
