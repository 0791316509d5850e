import type { AnyModel } from '../definition/definition';
import { sentenceOf } from '../values/describe';

export type Report = (error: unknown) => void;

/** Reports the errors of a queue: to `onError`, else to the model's `error` listeners, else as one process warning. */
export class Reporter {
  #isWarned = false;

  constructor(
    private readonly model: AnyModel,
    private readonly onError: Report | undefined,
  ) {}

  /** For errors of the loop: what a listener throws is thrown, and ends the loop. */
  readonly report: Report = (error) => {
    const listeners = this.#listeners();
    if (listeners.length === 0) this.#warn(error);
    for (const listener of listeners) this.#tell(listener, error);
  };

  /** For errors in the background: what a listener throws is a warning. */
  readonly reportAside: Report = (error) => {
    try {
      this.report(error);
    } catch (thrown) {
      this.#warn(thrown);
    }
  };

  #listeners(): Report[] {
    return this.onError ? [this.onError] : (this.model.listeners('error') as Report[]);
  }

  #tell(listener: Report, error: unknown): void {
    const heard: unknown = listener.call(this.model, error);
    // Nothing awaits an async listener.
    if (heard instanceof Promise) heard.catch((thrown: unknown) => this.#warn(thrown));
  }

  #warn(error: unknown): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    process.emitWarning(
      `A queue of ${this.model.modelName} goes on after: ${sentenceOf(error)} Pass \`onError\` to see every one.`,
      'TaskQueueWarning',
    );
  }
}
