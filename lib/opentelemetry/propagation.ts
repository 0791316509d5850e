import type { Context, Link, SpanContext } from '@opentelemetry/api';
import type { AnyDocument } from '../definition/definition';
import type { TraceContext } from '../observe';
import { handleOf } from '../task/handle';
import { safely } from '../values/describe';
import { api } from './api';
import { messageOf } from './description';

/** The longest text that is stored. The propagator of W3C Trace Context writes 55 characters and at most 512. */
const MAX_LENGTH = 512;

/** What the application's propagator makes of a context, as far as it is W3C Trace Context: baggage, for example, is not stored. */
export function carrierOf(context: Context): TraceContext | undefined {
  const carrier: Record<string, unknown> = {};
  safely(() => api.propagation.inject(context, carrier));
  const { traceparent, tracestate } = carrier;
  if (!isStorable(traceparent)) return undefined;

  return { traceparent, ...(isStorable(tracestate) && { tracestate }) };
}

function isStorable(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.length <= MAX_LENGTH;
}

/** The context in which a task was pushed, if it was stored; `ROOT_CONTEXT` otherwise. */
function originOf(task: AnyDocument): Context {
  const origin = safely(() => {
    const { trace } = handleOf(task).stored;
    return trace && api.propagation.extract(api.ROOT_CONTEXT, { ...trace });
  });

  return origin ?? api.ROOT_CONTEXT;
}

/** The context in which a task is to be worked on. All runs of a schedule would be one trace that never ends, so each begins its own. */
export function traceOf(task: AnyDocument): Context {
  return handleOf(task).stored.schedule ? api.ROOT_CONTEXT : originOf(task);
}

/** Links to the contexts in which tasks were pushed. Those of several tell which is whose. */
export function linksTo(tasks: readonly AnyDocument[], isBatch: boolean): Link[] {
  return tasks.flatMap((task) => {
    const context = spanContextOf(originOf(task));

    return context ? [{ context, ...(isBatch && { attributes: messageOf(task) }) }] : [];
  });
}

/** The span of a context; undefined too for what a propagator or a context manager gave instead of a context. */
export function spanContextOf(context: Context): SpanContext | undefined {
  return safely(() => api.trace.getSpanContext(context));
}

/** The context in which this is called. */
export function activeContext(): Context {
  return safely(() => api.context.active()) ?? api.ROOT_CONTEXT;
}

/** Calls `run` once in a context, whatever the application's context manager does. `run` never throws at once: it rejects. */
export function within<T>(context: Context, run: () => Promise<T>): Promise<T> {
  let running: Promise<T> | undefined;
  safely(() => api.context.with(context, () => void (running = run())));

  return running ?? run();
}
