import type { AnyModel } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { workers } from '../side/workers';
import { stats, type TaskStats } from '../stats';
import { clearTimeout, monotonic, setTimeout } from '../timers';

/** How long a scrape waits for the figures of a queue, in milliseconds: half of what Prometheus waits for a scrape. */
const LIMIT_MS = 5_000;

/** What the database tells of a queue. */
export interface Figures extends TaskStats {
  readonly workers: number;
}

interface Last {
  readonly at: number;
  readonly outcome: Promise<Figures>;
}

/** Reads the figures of one queue: once for all who ask at the same time, and not again before they are too old. */
export class Reading {
  #last: Last | null = null;
  #isUnderWay = false;

  constructor(
    private readonly model: AnyModel,
    private readonly maxAgeMs: number,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /** Rejects when the figures cannot be read, or not in time. */
  async figures(): Promise<Figures> {
    const isOld = !this.#last || monotonic() - this.#last.at >= this.maxAgeMs;
    if (isOld && !this.#isUnderWay) this.#read();

    return inTime(this.#last!.outcome, this.limitMs);
  }

  // A read that hangs is not joined by another.
  #read(): void {
    this.#isUnderWay = true;
    const outcome = readFigures(this.model).finally(() => {
      this.#isUnderWay = false;
      // From now on, because a slow server is not to be asked all the time.
      this.#last = { at: monotonic(), outcome };
    });
    outcome.catch(() => {});
    this.#last = { at: monotonic(), outcome };
  }
}

async function readFigures(model: AnyModel): Promise<Figures> {
  const [figures, alive] = await Promise.all([stats(model), workers(model)]);

  return { ...figures, workers: alive.length };
}

async function inTime<T>(running: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TaskQueueError(`No answer within ${limitMs} ms.`)), limitMs);
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}
