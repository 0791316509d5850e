import type { Context, Link, Span } from '@opentelemetry/api';
import { monotonic, wallClock } from '../timers';
import { safely } from '../values/describe';
import { api } from './api';
import { ERROR_TYPE, type OperationType } from './conventions';
import { type Description, messageOf, spanAttributes, spanName } from './description';
import { errorTypeOf, markFailed, tellException } from './exceptions';
import { within } from './propagation';
import type { Telemetry } from './telemetry';

/** When an operation began, by both clocks of this machine. */
export interface Begin {
  readonly wall: number;
  readonly monotonic: number;
}

export const beginNow = (): Begin => ({ wall: wallClock(), monotonic: monotonic() });

/** Where an operation belongs. */
export interface Place {
  readonly parent: Context;
  readonly links?: Link[];
  readonly begin?: Begin;
  /** Whether the operation hands tasks to the application. */
  readonly isDelivery?: boolean;
}

/** One operation: its span, and what the metrics tell of it. Nothing that a tracer, a meter or a logger does can harm the operation. */
export class Operation {
  readonly #span: Span | undefined;
  readonly #begin: Begin;
  readonly #isDelivery: boolean;
  /** The context of its span, for what belongs to it. */
  readonly context: Context;

  constructor(
    private readonly telemetry: Telemetry,
    private readonly description: Description,
    { parent, links = [], begin = beginNow(), isDelivery = false }: Place,
  ) {
    this.#begin = begin;
    this.#isDelivery = isDelivery;
    const options = { kind: kindOf(description.type), attributes: spanAttributes(description), links };
    this.#span = safely(() =>
      telemetry.tracer.startSpan(spanName(description), { ...options, startTime: begin.wall }, parent),
    );
    this.context = (this.#span && safely(() => api.trace.setSpan(parent, this.#span!))) ?? parent;
  }

  /** Runs what belongs to the operation, and ends it then. */
  async whole<T>(run: () => Promise<T>): Promise<T> {
    try {
      const result = await within(this.context, run);
      this.end(null);
      return result;
    } catch (reason) {
      this.end({ reason });
      throw reason;
    }
  }

  /** Notes that the operation was about this task instead of the one it began with. */
  concerns(task: { readonly _id: unknown }): void {
    safely(() => this.#span?.setAttributes(messageOf(task)));
  }

  end(thrown: { readonly reason: unknown } | null): void {
    const ms = monotonic() - this.#begin.monotonic;
    const errorType = thrown && errorTypeOf(thrown.reason);
    if (thrown && this.#span) this.#fail(this.#span, thrown.reason, errorType!);
    // The same duration for both, which is why the span is given its end.
    safely(() => this.#span?.end(this.#begin.wall + ms));
    safely(() => this.telemetry.measure(this.description, ms / 1_000, errorType, this.#isDelivery));
  }

  #fail(span: Span, reason: unknown, errorType: string): void {
    const { type } = this.description;
    safely(() => span.setAttribute(ERROR_TYPE, errorType));
    safely(() => markFailed(span, reason));
    safely(() => tellException(span, reason, type, this.context, this.telemetry.logger));
  }
}

function kindOf(type: OperationType) {
  const { PRODUCER, CLIENT, CONSUMER } = api.SpanKind;

  return { send: PRODUCER, receive: CLIENT, process: CONSUMER, settle: CLIENT }[type];
}
