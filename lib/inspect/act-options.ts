import type { AnyModel } from '../definition/definition';
import type { Target } from './target';
import type { View } from './view';

/** What is to be done with which tasks. */
export interface ActOptions extends Target {
  /** Of `edit`: the new values by path, as Extended JSON. */
  readonly set?: Readonly<Record<string, unknown>> | undefined;
  /** Of `cancel` and `pause`: a text of 1 to 1 000 characters. */
  readonly reason?: string | undefined;
  /** Of `retry` and `requeue`: how long the tasks wait, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** Of `pause` and `resume`: only this category. */
  readonly category?: string | undefined;
  /** At most so many tasks, from 1 to 10 000. Default: 10 000. */
  readonly limit?: number | undefined;
}

/** What became of it. `more`: there are more, which the same call goes on with. */
export interface Outcome {
  done: number;
  skipped: { id: string; label: string; reason: string }[];
  more: boolean;
}

/** A task that stays as it is, and why. */
export interface Skipped {
  readonly id: unknown;
  readonly reason: string;
}

/** What a write needs to know. */
export interface Write {
  readonly view: View;
  readonly model: AnyModel;
  readonly options: ActOptions;
  /** When the tasks were chosen, by the server's clock. */
  readonly now: Date;
}
