import { heed } from '../cancel/heed';
import type { AnyDocument, AnyModel } from '../definition/definition';

/** The task that the loop of a queue has in hand: its consumer is told when it is to be cancelled. */
export class InHand {
  // The queue must not keep a task that its consumer has dropped.
  #task: WeakRef<AnyDocument> | null = null;
  #stop: (() => void) | null = null;

  take(task: AnyDocument | null): void {
    this.#task = task && new WeakRef(task);
  }

  /** Calls `tell` with a `TaskCancelledError`, once for each task, until it is closed. */
  heed(model: AnyModel, tell: (error: unknown) => void): void {
    this.#stop = heed(model, this.#held, (_, error) => tell(error));
  }

  close(): void {
    this.#stop?.();
    this.#stop = null;
  }

  readonly #held = (): { task: AnyDocument }[] => {
    const task = this.#task?.deref();

    return task ? [{ task }] : [];
  };
}
