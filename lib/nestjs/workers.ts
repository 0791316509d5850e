import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import type { DiscoveryService, ModuleRef } from '@nestjs/core';
import type { AnyDocument } from '../definition/definition';
import { InvalidOptionError, TaskQueueError } from '../errors';
import type { TaskHandler } from '../worker/options';
import type { StopOptions, Worker } from '../worker/worker';
import { modelFor, requireOneForEach } from './models';
import { type Named, nameOf } from './named';
import { common, core } from './nest';
import { checkModuleOptions, type TaskQueueModuleOptions } from './options';
import { findProcessors, Processing } from './processor';

/** The token of the module's options. */
export const OPTIONS = Symbol('mongoose-task-queue:options');

/** One worker of an application. */
export interface ApplicationWorker {
  /** The name of the model of its processor. */
  readonly name: string;
  /** The worker itself. */
  readonly worker: Worker;
  /** Whether it starts with the application. */
  readonly autoStart: boolean;
  /** Whether the connection of its model is open now. */
  readonly isConnected: boolean;
}

/**
 * The workers of an application, one for each processor. It may be injected anywhere; the workers are there from `onModuleInit()` on, and start in
 * `onApplicationBootstrap()`.
 */
@common.Injectable()
export class TaskQueueWorkers
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  #all: readonly Processing[] | null = null;
  #stopping: Promise<unknown> | null = null;

  /** Called by Nest. */
  constructor(
    @common.Inject(core.DiscoveryService) private readonly discovery: DiscoveryService,
    @common.Inject(core.ModuleRef) private readonly moduleRef: ModuleRef,
    @common.Inject(OPTIONS) private readonly options: TaskQueueModuleOptions,
  ) {}

  /**
   * The worker of a model's processor.
   *
   * @throws {InvalidOptionError} when the model has no processor; `TaskQueueError` before `onModuleInit()`.
   */
  get(model: Named): Worker {
    return this.#processing(model).worker;
  }

  /**
   * What the worker calls with each task: the processor's method for it. For tests: `drain(Email, { handler: workers.handler('Email') })`.
   *
   * @throws {InvalidOptionError} when the model has no processor; `TaskQueueError` before `onModuleInit()`.
   */
  handler(model: Named): TaskHandler<AnyDocument> {
    return this.#processing(model).handler;
  }

  /** All workers. @throws `TaskQueueError` before `onModuleInit()`. */
  get all(): readonly ApplicationWorker[] {
    return this.#known.map(({ name, worker, autoStart, model }) => {
      return { name, worker, autoStart, isConnected: model.db.readyState === CONNECTED };
    });
  }

  /** Starts all workers, also those with `autoStart: false`. Rejects when one cannot become ready; then none runs. */
  async start(): Promise<void> {
    await this.#start(this.#known);
  }

  /** Stops all workers, as `Worker.stop()` does each. Nest's shutdown does it, too. */
  async stop(options: StopOptions = {}): Promise<void> {
    await Promise.all(this.#known.map(({ worker }) => worker.stop(options)));
  }

  /** Called by Nest. */
  onModuleInit(): void {
    checkModuleOptions(this.options);
    const wrappers = this.discovery.getProviders();
    if (wrappers.filter(({ token }) => token === TaskQueueWorkers).length > 1)
      throw new InvalidOptionError(
        'Expected `TaskQueueModule.forRoot()` once, got it twice, with different options. Import it in the root module alone.',
      );
    const all = findProcessors(wrappers).map(
      (found) => new Processing(found, modelFor(found, wrappers), this.options, this.moduleRef),
    );
    requireOneForEach(all);
    this.#all = all;
  }

  /** Called by Nest. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#start(this.#known.filter(({ autoStart }) => autoStart));
  }

  /** Called by Nest, before anything is closed: no more tasks are claimed. */
  onModuleDestroy(): void {
    if (!this.#all) return;
    this.#stopping = this.stop();
    // Awaited by the next hook, which Nest leaves out when another provider's fails.
    this.#stopping.catch(() => {});
  }

  /** Called by Nest, before connections are closed: what is in hand is waited for. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#stopping;
  }

  get #known(): readonly Processing[] {
    if (this.#all) return this.#all;
    throw new TaskQueueError(
      'The workers are made when all providers are. Use them from `onModuleInit()` or `onApplicationBootstrap()` on, not in a constructor.',
    );
  }

  #processing(model: Named): Processing {
    const name = nameOf(model, "workers.get('Email')");
    const known = this.#known;
    const found = known.find((one) => one.model === (model as unknown)) ?? known.find((one) => one.name === name);
    if (found) return found;
    throw new InvalidOptionError(
      `No processor is for the model ${JSON.stringify(name)}. Known are: ${known.map((one) => one.name).join(', ') || 'none'}. Write \`@Processor(${JSON.stringify(name)})\` above a class that a module provides.`,
    );
  }

  async #start(all: readonly Processing[]): Promise<void> {
    const outcomes = await Promise.allSettled(all.map(({ worker }) => worker.start()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return;
    await this.stop();
    throw failed.reason;
  }
}

/** Mongoose's `readyState` of a connection that is open. */
const CONNECTED = 1;
