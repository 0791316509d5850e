import { type AnyDocument, type AnyModel, modelOf } from '../definition/definition';
import type { Instrumentation, ObservedCall, TraceContext } from '../observe';
import { safely } from '../values/describe';
import type { Description } from './description';
import { beginNow, Operation, type Place } from './operation';
import { activeContext, carrierOf, linksTo, spanContextOf, traceOf, within } from './propagation';
import type { Telemetry } from './telemetry';

/** Tells OpenTelemetry what a queue does: a span and metrics for each push, pop that brings a task, call of a handler, and settle. */
export class Observer implements Instrumentation {
  constructor(
    private readonly telemetry: Telemetry,
    /** Whether the context of a push is stored with its tasks. */
    private readonly propagates: boolean,
  ) {}

  push<T>(documents: readonly AnyDocument[], run: (trace?: TraceContext) => Promise<T>): Promise<T> {
    const isBatch = documents.length > 1;
    const operation = this.#begin('push', 'send', documents, isBatch, { parent: activeContext() });
    if (!operation) return run();

    const trace = this.propagates ? carrierOf(operation.context) : undefined;
    return operation.whole(async () => {
      const pushed = await run(trace);
      // Where a key is taken it is the task that has it.
      if (!isBatch) operation.concerns(pushed as AnyDocument);
      return pushed;
    });
  }

  /** A pop that finds nothing is not told: idle consumers would fill every backend with them. */
  async pop<T extends AnyDocument | readonly AnyDocument[] | null>(model: AnyModel, run: () => Promise<T>): Promise<T> {
    const place = { parent: activeContext(), begin: beginNow(), isDelivery: true };
    const told = (tasks: readonly AnyDocument[], isBatch: boolean) =>
      this.#begin('pop', 'receive', tasks, isBatch, { ...place, links: linksTo(tasks, isBatch) }, model);
    try {
      const popped = await run();
      const tasks = [popped ?? []].flat() as readonly AnyDocument[];
      if (tasks.length > 0) told(tasks, Array.isArray(popped))?.end(null);
      return popped;
    } catch (reason) {
      told([], false)?.end({ reason });
      throw reason;
    }
  }

  settle<T>(task: AnyDocument, verb: string, run: () => Promise<T>): Promise<T> {
    const place = { parent: activeContext(), links: linksTo([task], false) };

    return this.#begin(verb, 'settle', [task], false, place)?.whole(run) ?? run();
  }

  perform(task: AnyDocument): ObservedCall | null {
    // What surrounds a worker's handler is whatever made the worker start it, so its trace is that of the push.
    const place = { parent: traceOf(task), links: linksTo([task], false), isDelivery: true };
    const operation = this.#begin('process', 'process', [task], false, place);

    return (
      operation && {
        within: (run) => within(operation.context, run),
        ended: (thrown) => operation.end(thrown),
      }
    );
  }

  /** A callback that works on tasks which were popped by hand. */
  process<T>(tasks: readonly AnyDocument[], isBatch: boolean, run: () => Promise<T>): Promise<T> {
    const active = activeContext();
    const isAlone = !spanContextOf(active);
    const parent = isAlone && !isBatch ? traceOf(tasks[0]!) : active;

    return (
      this.#begin('process', 'process', tasks, isBatch, { parent, links: linksTo(tasks, isBatch) })?.whole(run) ?? run()
    );
  }

  /** Null for what is no task, which the operation itself will refuse. */
  #begin(
    name: string,
    type: Description['type'],
    tasks: readonly AnyDocument[],
    isBatch: boolean,
    place: Place,
    model?: AnyModel,
  ): Operation | null {
    const begin = () => {
      const description = { name, type, model: model ?? modelOf(tasks[0]!), tasks, isBatch };
      return new Operation(this.telemetry, description, place);
    };

    return safely(begin) ?? null;
  }
}
