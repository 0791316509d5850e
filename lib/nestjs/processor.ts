import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import type { ModuleRef } from '@nestjs/core';
import type { AnyDocument, AnyModel } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import type { QueueOf } from '../model/input';
import type { WorkerEvents } from '../worker/events';
import type { TaskHandler } from '../worker/options';
import { Worker } from '../worker/worker';
import { type DeclaredProcessor, listenersOf, processorOf } from './decorators';
import { type Handling, handlingOf } from './handling';
import { nestLogger } from './logger';
import { core } from './nest';
import type { TaskQueueModuleOptions } from './options';

type Type = (new (...parameters: never[]) => unknown) & { readonly name: string };
type Methods = Record<PropertyKey, (...values: unknown[]) => unknown>;

/** A provider that has `@Processor()`. */
export interface Found {
  readonly wrapper: InstanceWrapper;
  readonly type: Type;
  readonly declared: DeclaredProcessor;
}

/** The processors among the providers of an application. */
export function findProcessors(wrappers: readonly InstanceWrapper[]): Found[] {
  return wrappers.flatMap((wrapper) => {
    // What a factory or a value gives has no type but that of the instance.
    const isClass = wrapper.metatype && !wrapper.inject;
    const instance = wrapper.instance as object | undefined;
    const type = (isClass ? wrapper.metatype : instance?.constructor) as Type | undefined;
    const declared = typeof type === 'function' ? processorOf(type) : undefined;

    return type && declared ? [{ wrapper, type, declared }] : [];
  });
}

/** A processor with the worker that gives it the tasks of its model. */
export class Processing {
  readonly name: string;
  readonly worker: Worker;
  readonly autoStart: boolean;
  readonly categories: readonly string[] | null;
  readonly #handling: Handling;
  readonly #isScoped: boolean;

  /** @throws {InvalidOptionError} for a processor that could not work the tasks of the model, or a wrong option of its worker. */
  constructor(
    readonly found: Found,
    readonly model: AnyModel,
    shared: TaskQueueModuleOptions,
    private readonly moduleRef: ModuleRef,
  ) {
    const { wrapper, type, declared } = found;
    const { connectionName: _, autoStart = true, logger, category, ...options } = { ...shared, ...given(declared) };
    this.name = model.modelName;
    this.autoStart = autoStart;
    this.#handling = handlingOf(type, model);
    this.categories = this.#categories(category);
    this.#isScoped = !wrapper.isDependencyTreeStatic() || wrapper.isTransient;
    this.worker = new Worker(this.#handling.models as unknown as QueueOf<AnyDocument>[], {
      ...options,
      ...(this.categories && { category: this.categories }),
      ...(logger !== false && { logger: logger ?? nestLogger(type.name) }),
      handler: this.handler,
    });
    this.#listen();
  }

  /** Gives a task to the method that is for it. */
  readonly handler: TaskHandler<AnyDocument> = async (task, context) => {
    const key = this.#handling.methodFor(task);
    const instance = key === null ? task : this.#isScoped ? await this.#instanceFor(task) : this.#instance;

    return (instance as Methods)[key ?? 'run']!(...(key === null ? [context] : [task, context]));
  };

  /** What the worker claims. */
  get models(): readonly AnyModel[] {
    return this.#handling.models;
  }

  get #instance(): unknown {
    return this.found.wrapper.instance;
  }

  /** An instance for this task alone, which its services may inject as `REQUEST`. */
  async #instanceFor(task: AnyDocument): Promise<unknown> {
    const contextId = core.ContextIdFactory.create();
    this.moduleRef.registerRequestByContextId(task, contextId);

    return this.moduleRef.resolve(this.found.wrapper.token, contextId, { strict: false });
  }

  #categories(category: unknown): readonly string[] | null {
    const asked =
      category === undefined ? null : typeof category === 'string' ? [category] : [...(category as string[])];
    const { categories } = this.#handling;
    const without = categories && asked?.find((one) => !categories.includes(one));
    if (without == null) return asked ?? categories;
    throw new InvalidOptionError(
      `Expected ${this.found.type.name} to have a method for each \`category\` of its options, found none for ${JSON.stringify(without)}. Add a method with \`@Process()\` for the others.`,
    );
  }

  #listen(): void {
    const { type } = this.found;
    const listeners = listenersOf(type);
    if (listeners.length > 0 && this.#isScoped)
      throw new InvalidOptionError(
        `Expected ${type.name} to be a singleton, because \`@OnTask()\` has no instance to call where each task has its own. Move its listeners to \`@InjectWorker()\` of another provider.`,
      );
    for (const { event, key } of listeners)
      this.worker.on(event as keyof WorkerEvents<unknown>, (...values: unknown[]) =>
        (this.#instance as Methods)[key]!(...values),
      );
  }
}

// An option that is `undefined` is one that was not given.
function given({ options }: DeclaredProcessor): DeclaredProcessor['options'] {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
