import { notSkipped } from '../claim/skipped';
import type { AnyDocument, AnyModel } from '../definition/definition';
import { clausesOf } from '../dependencies/clauses';
import { targetsOf } from '../dependencies/targets';
import { isEmpty } from '../pop/pop';
import { isPermanent } from '../server/permanent';
import { release } from '../settle/verbs';
import { monotonic, sleep } from '../timers';
import { refuseUnknown, requireFunction, requireInteger } from '../values/check';
import { resolveWorkerOptions, type TaskHandler, type WorkerOptions } from '../worker/options';
import type { TaskOf, WorkerModels } from '../worker/models';
import { Worker } from '../worker/worker';
import { keepPhases } from './phase';

/** Options of `drain()`. */
export interface DrainOptions<Doc> {
  /** Called with each task, as the handler of a `Worker`. Default: the task's own method `run(context)`. */
  handler?: TaskHandler<Doc> | undefined;
  /** Ends it: asked before each task. Default: never. */
  until?: (() => boolean | Promise<boolean>) | undefined;
  /** At most this many tasks are handed to the handler, from 1. Default: 10 000. */
  max?: number | undefined;
}

/** How the attempts ended, in numbers. */
export interface Drained {
  /** FINISHED. */
  finished: number;
  /** FAILED for good. */
  failed: number;
  /** Back in the queue for another attempt. */
  retried: number;
  /** Back in the queue without charging an attempt. */
  released: number;
  /** CANCELLED. */
  cancelled: number;
}

const MAX = 10_000;
const POLL_MS = 10;
/** How long tasks that a locked document holds up are waited for, in milliseconds. */
const PATIENCE_MS = 5_000;

/**
 * Works the queues of one model or several until nothing is ready: one task at a time, in the order of `pop()`, so a task comes after those
 * it waits for. It is a real `Worker`: what a handler throws is a failed attempt, and a retry that is due later stays in the queue (see
 * `advance()`). Resolves to the numbers of attempts by their outcomes.
 *
 * @throws {InvalidOptionError} for a wrong option, or a model without the plugin.
 */
export async function drain<const Models extends WorkerModels>(
  models: Models,
  options: DrainOptions<TaskOf<Models>> = {},
): Promise<Drained> {
  refuseUnknown(options, ['handler', 'until', 'max'], 'drain()');
  const { handler, until = () => false, max = MAX } = options;
  requireInteger('max', max, 1, Number.MAX_SAFE_INTEGER, 'tasks', '`drain(Email, { max: 100 })`');
  requireFunction('until', until, '`drain(Email, { until: () => mails.length === 3 })`');

  return new Drain(models, handler as TaskHandler<unknown> | undefined, until, max).run();
}

class Drain {
  readonly #worker: Worker<unknown>;
  readonly #models: AnyModel[];
  readonly #counts: Drained = { finished: 0, failed: 0, retried: 0, released: 0, cancelled: 0 };
  /** Tasks that were handed to the handler: others went back when all was done. */
  readonly #begun = new WeakSet<object>();
  #left: number;
  #hasEnded = false;
  #error: { readonly reason: unknown } | null = null;

  constructor(
    models: WorkerModels,
    handler: TaskHandler<unknown> | undefined,
    private readonly until: () => boolean | Promise<boolean>,
    max: number,
  ) {
    this.#left = max;
    const { sources, handler: run } = resolveWorkerOptions(models, { handler } as WorkerOptions);
    this.#models = sources.map(({ model }) => model);
    this.#worker = new Worker(models, {
      handler: (task, context) => this.#handle(task, () => run(task as AnyDocument, context)),
      concurrency: 1,
      prefetch: 0,
      pollMs: POLL_MS,
      changeStreams: false,
    });
    for (const name of Object.keys(this.#counts) as (keyof Drained)[])
      this.#worker.on(name, (task: unknown) => {
        if (this.#begun.has(task as object)) this.#counts[name]++;
      });
    this.#worker.on('error', (reason) => {
      if (isPermanent(reason)) this.#error = { reason };
    });
  }

  async run(): Promise<Drained> {
    if (await this.until()) return this.#counts;
    await keepPhases(this.#models);
    // A claim that was under way at the stop gives its task back.
    do await this.#work();
    while (!this.#isOver && !(await areEmpty(this.#models)));
    if (this.#error) throw this.#error.reason;
    await keepPhases(this.#models);

    return this.#counts;
  }

  async #work(): Promise<void> {
    await this.#worker.start();
    try {
      while (!this.#isOver && !(await this.#isDrained())) await sleep(POLL_MS);
    } finally {
      await this.#worker.stop();
    }
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#error !== null;
  }

  async #handle(task: unknown, run: () => unknown): Promise<void> {
    if (this.#hasEnded || (await this.until())) {
      this.#hasEnded = true;
      await release(task as AnyDocument);
      return;
    }
    this.#begun.add(task as object);
    this.#left--;
    if (this.#left === 0) this.#hasEnded = true;
    await run();
  }

  /** Whether nothing is ready and nothing is in hand, also after a moment: what a locked document held up is tried again. */
  async #isDrained(): Promise<boolean> {
    const deadline = monotonic() + PATIENCE_MS;
    for (;;) {
      if (this.#worker.status().held.length > 0 || !(await areEmpty(this.#models))) return false;
      if (monotonic() > deadline || !this.#models.some(isHeldUp)) return true;
      await sleep(POLL_MS);
    }
  }
}

async function areEmpty(models: readonly AnyModel[]): Promise<boolean> {
  const empty = await Promise.all(models.map((model) => isEmpty(model)));

  return empty.every(Boolean);
}

/** Whether a claim or a wake has passed over a document a moment ago, because somebody else was writing it. */
function isHeldUp(model: AnyModel): boolean {
  const targets = clausesOf(model).flatMap((clause) => targetsOf(model, clause).map((target) => target.model));

  return [model, ...targets].some((one) => Object.keys(notSkipped(one)).length > 0);
}
