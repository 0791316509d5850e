import { type AnyDocument, type AnyModel, definitionOf } from '../definition/definition';
import { checkPopOptions, type PopOptions } from '../pop/pop';
import {
  MAX_TIMER_MS,
  refuseUnknown,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireObject,
  wrongValue,
} from '../values/check';
import type { TaskLogger } from './log';
import type { TaskContext } from './perform';

/** Called by a worker with each task. Its return value is not kept; an error it throws makes the attempt fail. */
export type TaskHandler<Doc> = (task: Doc, context: TaskContext) => unknown;

/** Options of a worker. */
export interface WorkerOptions<Doc = AnyDocument> extends PopOptions {
  /** Called with each task. Default: the task's own method `run(context)`. */
  handler?: TaskHandler<Doc> | undefined;

  /**
   * How many handlers run at once, over all models, from 1 to 1 000. Above 1, tasks that are being settled do not count, up to three per
   * slot. Default: 1.
   */
  concurrency?: number | undefined;

  /**
   * At most this many tasks are claimed ahead, from 0 to 500, so that a free slot need not wait for a claim. A worker claims ahead only
   * what it can start within 50 milliseconds at its pace: with slow handlers, nothing. Default: 500.
   */
  prefetch?: number | undefined;

  /** How long an idle worker waits between two looks, in milliseconds; the actual wait varies by a fifth. Default: 1 000. */
  pollMs?: number | undefined;

  /** Whether an idle worker hears at once of tasks that other processes push: by a change stream, on a standalone server by signals. Default: `true`. */
  changeStreams?: boolean | undefined;

  /**
   * How long a handler and the settle after it may take, in milliseconds. Then `context.signal` is aborted and the attempt has failed;
   * the handler's changes are not saved. `false` for no limit. Default: `false`.
   */
  timeoutMs?: number | false | undefined;

  /**
   * How long a handler may run before the event `slow` tells of it, in milliseconds; nothing else happens. Default: half of `timeoutMs`,
   * or 60 000 without one.
   */
  slowMs?: number | undefined;

  /** A logger with pino's signature, `(fields, message)`, that gets a line for every event. Default: none. */
  logger?: TaskLogger | undefined;

  /**
   * Whether SIGTERM and SIGINT stop the worker, for scripts that have nothing else to stop. The process ends by itself once its
   * connection is closed too: `worker.once('stopped', () => mongoose.disconnect())`. Default: `false`.
   */
  handleSignals?: boolean | undefined;

  /** How long a `stop()` without `timeoutMs`, or by a signal, waits for running handlers, in milliseconds. Default: 30 000. */
  stopTimeoutMs?: number | undefined;
}

export interface Source {
  readonly model: AnyModel;
  readonly weight: number;
}

export interface ResolvedWorkerOptions {
  readonly sources: readonly Source[];
  readonly handler: TaskHandler<AnyDocument>;
  readonly pop: PopOptions;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly pollMs: number;
  readonly changeStreams: boolean;
  readonly timeoutMs: number | false;
  readonly slowMs: number;
  readonly logger: TaskLogger | null;
  readonly handleSignals: boolean;
  readonly stopTimeoutMs: number;
}

/** The names of all options of a worker. */
export const WORKER_OPTIONS = [
  'handler',
  'concurrency',
  'prefetch',
  'pollMs',
  'changeStreams',
  'timeoutMs',
  'slowMs',
  'logger',
  'handleSignals',
  'stopTimeoutMs',
  'category',
  'populate',
];
/** Signals by which a system asks a process to end. */
export const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const MAX_CONCURRENCY = 1_000;
const MAX_PREFETCH = 500;
const SLOW_MS = 60_000;

export function resolveWorkerOptions(models: unknown, options: WorkerOptions): ResolvedWorkerOptions {
  requireObject('options', options, '`new Worker(Email, { concurrency: 8 })`');
  refuseUnknown(options, WORKER_OPTIONS, 'new Worker()');
  const sources = resolveSources(models);
  const {
    handler,
    concurrency = 1,
    prefetch = MAX_PREFETCH,
    pollMs = 1_000,
    changeStreams = true,
    timeoutMs = false,
    slowMs = timeoutMs === false ? SLOW_MS : Math.ceil(timeoutMs / 2),
    logger = null,
    handleSignals = false,
    stopTimeoutMs = 30_000,
    ...pop
  } = options;

  requireInteger('concurrency', concurrency, 1, MAX_CONCURRENCY, 'tasks', '`concurrency: 8`');
  requireInteger('prefetch', prefetch, 0, MAX_PREFETCH, 'tasks', '`prefetch: 0` for none');
  requireInteger('pollMs', pollMs, 1, MAX_TIMER_MS, 'milliseconds', '`pollMs: 1_000`');
  if (timeoutMs !== false)
    requireInteger(
      'timeoutMs',
      timeoutMs,
      1,
      MAX_TIMER_MS,
      'milliseconds',
      '`timeoutMs: 60_000`, or `false` for no limit',
    );
  requireInteger('slowMs', slowMs, 1, MAX_TIMER_MS, 'milliseconds', '`slowMs: 60_000`');
  requireBoolean('changeStreams', changeStreams);
  if (logger !== null) requireLogger(logger);
  requireBoolean('handleSignals', handleSignals);
  requireInteger('stopTimeoutMs', stopTimeoutMs, 0, MAX_TIMER_MS, 'milliseconds', '`stopTimeoutMs: 30_000`');
  for (const { model } of sources) checkPopOptions(model, pop);

  return {
    sources,
    handler: resolveHandler(handler, sources),
    pop,
    concurrency,
    prefetch,
    pollMs,
    changeStreams,
    timeoutMs,
    slowMs,
    logger,
    handleSignals,
    stopTimeoutMs,
  };
}

function requireLogger(logger: unknown): void {
  const isLogger = ['debug', 'info', 'warn', 'error'].every(
    (level) => typeof (logger as Record<string, unknown>)[level] === 'function',
  );
  if (!isLogger)
    throw wrongValue('logger', 'an object with `debug`, `info`, `warn` and `error`', logger, '`logger: pino()`');
}

function resolveSources(models: unknown): Source[] {
  const list = Array.isArray(models) ? (models as unknown[]) : [models];
  if (list.length === 0) throw wrongValue('models', 'a model or several', models, '`new Worker(Email, …)`');

  return list.map((one) => {
    if (isWeighted(one)) refuseUnknown(one, ['model', 'weight'], 'a model of new Worker()');
    const { model, weight = 1 } = isWeighted(one) ? one : { model: one };
    if (typeof model !== 'function' || !('modelName' in model))
      throw wrongValue('models', 'a model or several', model, '`new Worker([Email, Report], …)`');
    requireInteger('weight', weight, 1, 1_000, '', '`{ model: Email, weight: 2 }`');
    definitionOf(model as unknown as AnyModel);
    return { model: model as unknown as AnyModel, weight };
  });
}

function isWeighted(one: unknown): one is { model: unknown; weight?: number } {
  return one !== null && typeof one === 'object' && 'model' in one;
}

function resolveHandler(handler: unknown, sources: readonly Source[]): TaskHandler<AnyDocument> {
  if (handler !== undefined) {
    requireFunction('handler', handler, '`handler: async (email) => { await send(email.to); }`');
    return handler as TaskHandler<AnyDocument>;
  }
  for (const { model } of sources) {
    if (typeof (model.prototype as { run?: unknown }).run === 'function') continue;
    throw wrongValue(
      `handler`,
      `a function, because ${model.modelName} has no method \`run\``,
      handler,
      '`handler: async (email) => { await send(email.to); }`',
    );
  }

  return (task, context) => (task as AnyDocument & { run(context: TaskContext): unknown }).run(context);
}
