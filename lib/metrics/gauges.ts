import type { Gauge } from 'prom-client';
import { safely, sentenceOf } from '../values/describe';
import { client } from './client';
import type { ResolvedMetricsOptions } from './options';
import { type Figures, Reading } from './reading';

/** The states that are counted, as `stats()` names them. What is finished is not counted: that would cost more with every task. */
const STATES = ['ready', 'delayed', 'blocked', 'running', 'failed', 'cancelled'] as const;

/** The metrics of the database. They are the same whichever process is asked. */
export class Gauges {
  readonly #readings: ReadonlyMap<string, Reading>;
  readonly #warned = new Set<string>();
  readonly #tasks: Gauge<'queue' | 'state'>;
  readonly #age: Gauge<'queue'>;
  readonly #workers: Gauge<'queue'>;
  readonly #paused: Gauge<'queue'>;
  readonly #up: Gauge<'queue'>;
  #refreshing: Promise<void> | null = null;

  constructor(private readonly options: ResolvedMetricsOptions) {
    const { models, register, maxAgeMs } = options;
    this.#readings = new Map(models.map((model) => [model.modelName, new Reading(model, maxAgeMs)]));
    // A cluster's processes would all tell the same: one of them is enough.
    const aggregator = 'first' as const;
    const common = { registers: [register], aggregator, collect: () => this.#refresh() };
    const gauge = (name: string, help: string) =>
      new client.Gauge({ name: `task_queue_${name}`, help, labelNames: ['queue'], ...common });
    this.#tasks = new client.Gauge({
      name: 'task_queue_tasks',
      help: 'Tasks by state. Of failed and cancelled ones 10 000 stands for that many or more.',
      labelNames: ['queue', 'state'],
      ...common,
    });
    this.#age = gauge('oldest_ready_age_seconds', 'How long the oldest ready task has been ready; 0 when none is.');
    this.#workers = gauge('workers', 'Workers of all processes that work the queue.');
    this.#paused = gauge('paused', 'Whether the queue is paused as a whole.');
    this.#up = gauge('up', 'Whether the figures of the queue could be read.');
  }

  // All gauges ask for it with each scrape, at the same time.
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readAll().finally(() => (this.#refreshing = null));

    return this.#refreshing;
  }

  async #readAll(): Promise<void> {
    await Promise.all([...this.#readings].map(([queue, reading]) => this.#read(queue, reading)));
  }

  // One that cannot be read must not spoil the others.
  async #read(queue: string, reading: Reading): Promise<void> {
    try {
      this.#set(queue, await reading.figures());
    } catch (error) {
      this.#forget(queue);
      this.#report(queue, error);
    }
  }

  #set(queue: string, figures: Figures): void {
    for (const state of STATES) this.#tasks.set({ queue, state }, figures[state]);
    this.#age.set({ queue }, (figures.oldestReadyAgeMs ?? 0) / 1_000);
    this.#workers.set({ queue }, figures.workers);
    this.#paused.set({ queue }, Number(figures.paused));
    this.#up.set({ queue }, 1);
  }

  /** What was read before is no answer to what is there now. */
  #forget(queue: string): void {
    for (const state of STATES) this.#tasks.remove({ queue, state });
    for (const gauge of [this.#age, this.#workers, this.#paused]) gauge.remove({ queue });
    this.#up.set({ queue }, 0);
  }

  #report(queue: string, error: unknown): void {
    const { onError } = this.options;
    if (onError) safely(() => onError(error, queue));
    if (onError || this.#warned.has(queue)) return;
    this.#warned.add(queue);
    process.emitWarning(
      `The figures of ${queue} could not be read: ${sentenceOf(error)} Pass \`onError\` to see every error.`,
      'TaskQueueWarning',
    );
  }
}
