import 'reflect-metadata';
import { refuseUnknown, requireText, wrongValue } from '../values/check';
import type { WorkerEvents } from '../worker/events';
import { type Named, nameOf } from './named';
import { common } from './nest';
import { checkProcessorOptions, type ProcessorOptions } from './options';
import { workerToken } from './reference';

/** Which tasks a method is for; all that is given must hold. */
export interface ProcessOptions {
  /** Only tasks of this discriminator, or of these. Default: of all. */
  kind?: Named | readonly Named[] | undefined;
  /** Only tasks of this category, or of these. Default: of all. */
  category?: string | readonly string[] | undefined;
}

/** What `@Processor()` says of a class. */
export interface DeclaredProcessor {
  readonly named: Named;
  readonly options: ProcessorOptions;
}

/** What `@Process()` says of a method. */
export interface DeclaredMethod {
  readonly key: PropertyKey;
  readonly kinds: readonly string[] | null;
  readonly categories: readonly string[] | null;
}

/** What `@OnTask()` says of a method. */
export interface DeclaredListener {
  readonly key: PropertyKey;
  readonly event: keyof WorkerEvents<unknown>;
}

const PROCESSOR = Symbol('mongoose-task-queue:processor');
const METHODS = Symbol('mongoose-task-queue:methods');
const LISTENERS = Symbol('mongoose-task-queue:listeners');

const EVENTS: Record<keyof WorkerEvents<unknown>, true> = {
  started: true,
  finished: true,
  retried: true,
  failed: true,
  cancelled: true,
  released: true,
  slow: true,
  lost: true,
  idle: true,
  stopped: true,
  error: true,
};

/**
 * Makes a provider the one that works the tasks of a model, with a `Worker` of its own: each task is given to its method `process(task, context)`,
 * or to those with `@Process()`. The model is named as `@InjectModel()` names it, or by its class, or is given itself.
 *
 * @throws {InvalidOptionError} for what names no model, or an option that there is not.
 * @example
 * ```ts
 * @Processor(Email.name, { concurrency: 8 })
 * export class EmailProcessor {
 *   constructor(private readonly mailer: Mailer) {}
 *
 *   process(email: TaskDocument<Email>, { signal }: TaskContext) {
 *     return this.mailer.send(email.to, { signal });
 *   }
 * }
 * ```
 */
export function Processor(model: Named, options: ProcessorOptions = {}): ClassDecorator {
  nameOf(model, '@Processor(Email.name)');
  const declared: DeclaredProcessor = { named: model, options: checkProcessorOptions(options) };

  return (target) => Reflect.defineMetadata(PROCESSOR, declared, target);
}

/**
 * Gives tasks to this method: all of the model, or those of a kind or category, for which it goes before one for all. Without a method for the others
 * the worker claims only those that have one.
 *
 * @throws {InvalidOptionError} for an option that there is not.
 * @example
 * ```ts
 * @Process({ kind: 'Sms' })
 * sendSms(sms: TaskDocument<Sms>, { signal }: TaskContext) {}
 * ```
 */
export function Process(options: ProcessOptions = {}): MethodDecorator {
  refuseUnknown(options, ['kind', 'category'], '@Process()');
  const kinds = options.kind === undefined ? null : listOf<Named>(options.kind, 'kind');
  const categories = options.category === undefined ? null : listOf<string>(options.category, 'category');
  for (const category of categories ?? []) requireText('category', category, "`@Process({ category: 'bulk' })`");
  const declared = {
    kinds: kinds && kinds.map((kind) => nameOf(kind, "@Process({ kind: 'Sms' })")),
    categories,
  };

  return (target, key) => add<DeclaredMethod>(METHODS, target, { key, ...declared });
}

/**
 * Calls this method with an event of the processor's worker, and with what `WorkerEvents` has for it: the task and, where there is one, the error. What
 * it throws harms no task.
 *
 * @throws {InvalidOptionError} for an event that there is not.
 * @example
 * ```ts
 * @OnTask('failed')
 * onFailed(email: TaskDocument<Email>, error: unknown) {}
 * ```
 */
export function OnTask<Name extends keyof WorkerEvents<unknown>>(
  event: Name,
): <Doc>(
  target: object,
  key: PropertyKey,
  method: { value?: ((...values: WorkerEvents<Doc>[Name]) => unknown) | undefined },
) => void {
  if (!Object.hasOwn(EVENTS, event))
    throw wrongValue('event', `one of ${Object.keys(EVENTS).join(', ')}`, event, "`@OnTask('failed')`");

  return (target, key) => add<DeclaredListener>(LISTENERS, target, { key, event });
}

/**
 * Injects the `Worker` of a processor, in a module that imports `TaskQueueModule.forFeature()` for it. It may be used from `onModuleInit()` on.
 *
 * @throws {InvalidOptionError} for what names no model.
 */
export function InjectWorker(model: Named): ParameterDecorator & PropertyDecorator {
  return common.Inject(workerToken(model));
}

export function processorOf(type: object): DeclaredProcessor | undefined {
  return Reflect.getMetadata(PROCESSOR, type) as DeclaredProcessor | undefined;
}

/** The methods of a class, those that it inherits included. */
export function methodsOf(type: { prototype: object }): readonly DeclaredMethod[] {
  return (Reflect.getMetadata(METHODS, type.prototype) ?? []) as DeclaredMethod[];
}

export function listenersOf(type: { prototype: object }): readonly DeclaredListener[] {
  return (Reflect.getMetadata(LISTENERS, type.prototype) ?? []) as DeclaredListener[];
}

// A copy: the list that is found may belong to the parent class.
function add<T extends { key: PropertyKey }>(list: symbol, target: object, one: T): void {
  const before = (Reflect.getMetadata(list, target) ?? []) as T[];
  Reflect.defineMetadata(list, [...before, one], target);
}

function listOf<T>(value: T | readonly T[], name: string): readonly T[] {
  const list = Array.isArray(value) ? (value as readonly T[]) : [value as T];
  if (list.length === 0) throw wrongValue(name, 'one or several', value, `\`@Process({ ${name}: 'bulk' })\``);

  return list;
}
