import type { Registry, RegistryContentType } from 'prom-client';
import { type AnyModel, definitionOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import type { QueueOf } from '../model/input';
import { MAX_TIMER_MS, refuseUnknown, requireFunction, requireInteger, wrongValue } from '../values/check';
import { client } from './client';

/** Options of `metrics()`. */
export interface MetricsOptions {
  /** The models whose queues are measured, each under its name: a model or several. A base stands for its kinds, too. */
  models: QueueOf<unknown> | readonly QueueOf<unknown>[];

  /** Where the metrics are registered. Default: the global registry of prom-client. */
  register?: Registry<RegistryContentType> | undefined;

  /**
   * How old the figures of the database may be, in milliseconds: however many scrapes come, each queue is read once in this time. Default: 5 000.
   */
  maxAgeMs?: number | undefined;

  /**
   * Called when the figures of a queue could not be read: that queue has `task_queue_up` 0 then, and the others are told all the same. Default: the
   * first error of each queue is a process warning.
   */
  onError?: ((error: unknown, queue: string) => void) | undefined;
}

export interface ResolvedMetricsOptions {
  readonly models: readonly AnyModel[];
  readonly register: Registry;
  readonly maxAgeMs: number;
  readonly onError: ((error: unknown, queue: string) => void) | null;
}

const KNOWN = ['models', 'register', 'maxAgeMs', 'onError'];

/** @throws {InvalidOptionError} */
export function resolveMetricsOptions(options: MetricsOptions): ResolvedMetricsOptions {
  refuseUnknown(options, KNOWN, 'metrics()');
  const { register = client.register, maxAgeMs = 5_000, onError = null } = options;
  const models = [options.models].flat() as readonly unknown[];
  if (models.length === 0 || !models.every(isModel))
    throw wrongValue('models', 'a model or several', options.models, '`metrics({ models: [Email, Report] })`');
  models.forEach(definitionOf);
  requireOwnNames(models);
  if (typeof (register as Partial<Registry> | null)?.registerMetric !== 'function')
    throw wrongValue('register', 'a registry of prom-client', register, '`register: new Registry()`');
  requireInteger('maxAgeMs', maxAgeMs, 0, MAX_TIMER_MS, 'milliseconds', '`maxAgeMs: 5_000`');
  if (onError !== null) requireFunction('onError', onError, '`onError: (error, queue) => log.warn(error, queue)`');

  // Metrics are registered alike with a registry of either text format.
  return { models, register: register as Registry, maxAgeMs, onError };
}

function isModel(value: unknown): value is AnyModel {
  return typeof value === 'function' && 'modelName' in value;
}

// Models of two connections, for example.
function requireOwnNames(models: readonly AnyModel[]): void {
  const names = models.map(({ modelName }) => modelName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new InvalidOptionError(
    `Expected \`models\` to have different names, got ${twice} twice: their figures could not be told apart. Call \`metrics()\` for each with a \`register\` of its own, and \`register.setDefaultLabels()\`.`,
  );
}
