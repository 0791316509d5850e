import type { Counter, Histogram } from 'prom-client';
import { type AnyModel, rootOf } from '../definition/definition';
import { onOutcome } from '../observe';
import { client } from './client';
import type { ResolvedMetricsOptions } from './options';

/** How an attempt leaves a worker: its events of the same names. */
const OUTCOMES = ['finished', 'retried', 'failed', 'cancelled', 'released', 'lost'] as const;

/** Upper bounds in seconds. A task may wait for hours, and be done in a millisecond. */
const WAIT_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400];
const RUN_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];

/** The metrics of the workers of this process, whenever they were started. Each process tells its own. */
export class Attempts {
  readonly #attempts: Counter<'queue' | 'outcome'>;
  readonly #wait: Histogram<'queue'>;
  readonly #run: Histogram<'queue'>;
  /** Stops counting. */
  readonly close: () => void;

  constructor(private readonly options: Pick<ResolvedMetricsOptions, 'models' | 'register'>) {
    const { models, register } = options;
    const common = { registers: [register] };
    const histogram = (name: string, help: string, buckets: number[]) =>
      new client.Histogram({ name: `task_queue_${name}`, help, labelNames: ['queue'], buckets, ...common });
    this.#attempts = new client.Counter({
      name: 'task_queue_attempts_total',
      help: 'Attempts by how they left the workers of this process.',
      labelNames: ['queue', 'outcome'],
      ...common,
    });
    this.#wait = histogram('wait_seconds', 'From the due time of a task to its claim.', WAIT_BUCKETS);
    this.#run = histogram('run_seconds', 'From the start of a handler to the end of the settle.', RUN_BUCKETS);
    // So that the first failure is an increase from 0.
    for (const { modelName: queue } of models) {
      for (const outcome of OUTCOMES) this.#attempts.inc({ queue, outcome }, 0);
      this.#wait.zero({ queue });
      this.#run.zero({ queue });
    }
    this.close = onOutcome((...outcome) => this.#count(...outcome));
  }

  #count(model: AnyModel, outcome: string, waitMs: number | null, runMs: number | null): void {
    const { models } = this.options;
    const measured = models.includes(model) ? model : models.find((one) => one === rootOf(model));
    if (!measured) return;

    const queue = measured.modelName;
    this.#attempts.inc({ queue, outcome });
    if (waitMs !== null) this.#wait.observe({ queue }, waitMs / 1_000);
    if (runMs !== null) this.#run.observe({ queue }, runMs / 1_000);
  }
}
