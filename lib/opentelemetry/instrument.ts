import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import type { AnyDocument } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { instrumentation, observeBy } from '../observe';
import { refuseUnknown, requireBoolean, wrongValue } from '../values/check';
import type { ExceptionLogger } from './exceptions';
import { Observer } from './observer';
import { Telemetry } from './telemetry';

/** Options of `instrument()`. */
export interface InstrumentOptions {
  /**
   * Whether a push stores the trace it belongs to with its tasks, some 70 bytes each, so that their handlers go on in that trace. What
   * is stored already is followed in any case. Default: `false`.
   */
  propagate?: boolean | undefined;

  /** Where spans go. Default: the provider that is registered with the API when the first one begins. */
  tracerProvider?: TracerProvider | undefined;

  /** Where metrics go. Default: the provider that is registered with the API. */
  meterProvider?: MeterProvider | undefined;

  /**
   * A logger of `@opentelemetry/api-logs`: exceptions become log records, named as the conventions ask for. Default: events of their spans,
   * named `exception`.
   */
  logger?: ExceptionLogger | undefined;
}

const KNOWN = ['propagate', 'tracerProvider', 'meterProvider', 'logger'];

/**
 * Tells OpenTelemetry what all models and workers of this process do, from now on: spans and metrics by the semantic conventions for messaging
 * 1.44. Nothing it does, or an SDK does, can harm a task. Returns a function that ends it.
 *
 * @throws {InvalidOptionError} for a wrong option, or while this process is instrumented already. Nothing is changed then.
 * @example
 * instrument({ propagate: true });
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  refuseUnknown(options, KNOWN, 'instrument()');
  const { propagate = false, tracerProvider = null, meterProvider = null, logger = null } = options;
  requireBoolean('propagate', propagate);
  requireMethod('tracerProvider', tracerProvider, 'getTracer', '`tracerProvider: new NodeTracerProvider()`');
  requireMethod('meterProvider', meterProvider, 'getMeter', '`meterProvider: new MeterProvider()`');
  requireMethod('logger', logger, 'emit', "`logger: logs.getLogger('mongoose-task-queue')`");
  if (instrumentation())
    throw new InvalidOptionError(
      'Expected one `instrument()` for this process, but it is instrumented already. Call the function that the first one returned before.',
    );

  const observer = new Observer(new Telemetry({ tracerProvider, meterProvider, logger }), propagate);
  observeBy(observer);
  return () => {
    if (instrumentation() === observer) observeBy(null);
  };
}

/**
 * Calls a function that works on a task, or on several that were popped together, in a span `process`, as a worker does. One task:
 * the span goes on in the trace of its push, or in that of the caller, if there is one. Several: it links to each of theirs. Without
 * `instrument()`, or for no tasks, it only calls the function.
 *
 * @throws what the function throws.
 * @example
 * const emails = await Email.popMany(100);
 * await processing(emails, () => sendAll(emails));
 */
export async function processing<T>(tasks: object | readonly object[], callback: () => T | Promise<T>): Promise<T> {
  const observer = instrumentation();
  const list = [tasks].flat() as readonly AnyDocument[];
  const run = async () => callback();

  return observer instanceof Observer && list.length > 0 ? observer.process(list, Array.isArray(tasks), run) : run();
}

function requireMethod(name: string, value: unknown, method: string, instead: string): void {
  if (value === null || typeof (value as Record<string, unknown>)[method] === 'function') return;
  throw wrongValue(name, `an object with \`${method}()\``, value, instead);
}
