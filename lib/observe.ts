import type { AnyDocument, AnyModel } from './any';
import { safely } from './values/describe';

/** A trace as it is stored with a task, in the two texts of W3C Trace Context. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/**
 * What an instrumentation does around the operations of a queue. Each function calls `run` once, and settles as that does, whatever becomes of
 * its own work. `run` never throws at once: it rejects.
 */
export interface Instrumentation {
  /** `run` stores what it is given with the tasks. */
  push<T>(documents: readonly AnyDocument[], run: (trace?: TraceContext) => Promise<T>): Promise<T>;
  pop<T extends AnyDocument | readonly AnyDocument[] | null>(model: AnyModel, run: () => Promise<T>): Promise<T>;
  settle<T>(task: AnyDocument, verb: string, run: () => Promise<T>): Promise<T>;
  /** Called right before the handler of a worker. Null if it does not look on. */
  perform(task: AnyDocument): ObservedCall | null;
}

/** One call of a handler, seen by an instrumentation. */
export interface ObservedCall {
  /** Runs what belongs to the task: its handler, and the settle after it. */
  within<T>(run: () => Promise<T>): Promise<T>;
  /** Called when the handler has ended. */
  ended(thrown: { readonly reason: unknown } | null): void;
}

/** Called with how a task left a worker of this process. Times are in milliseconds, null where they are not known. */
export type OutcomeListener = (model: AnyModel, outcome: string, waitMs: number | null, runMs: number | null) => void;

let current: Instrumentation | null = null;
const listeners = new Set<OutcomeListener>();

/** Sets the instrumentation of this process, or none. */
export function observeBy(instrumentation: Instrumentation | null): void {
  current = instrumentation;
}

export function instrumentation(): Instrumentation | null {
  return current;
}

/** Returns a function that ends it. */
export function onOutcome(listener: OutcomeListener): () => void {
  listeners.add(listener);

  return () => void listeners.delete(listener);
}

/** What a listener throws harms nothing. */
export function tellOutcome(...outcome: Parameters<OutcomeListener>): void {
  for (const listener of listeners) safely(() => listener(...outcome));
}

export function whilePushing<T>(
  documents: readonly AnyDocument[],
  run: (trace?: TraceContext) => Promise<T>,
): Promise<T> {
  return current ? current.push(documents, run) : run();
}

export function whilePopping<T extends AnyDocument | readonly AnyDocument[] | null>(
  model: AnyModel,
  run: () => Promise<T>,
): Promise<T> {
  return current ? current.pop(model, run) : run();
}

export function whileSettling<T>(task: AnyDocument, verb: string, run: () => Promise<T>): Promise<T> {
  return current ? current.settle(task, verb, run) : run();
}
