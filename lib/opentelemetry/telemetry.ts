import type { Attributes, Counter, Histogram, MeterProvider, Tracer, TracerProvider } from '@opentelemetry/api';
import { api } from './api';
import * as names from './conventions';
import { commonAttributes, type Description } from './description';
import type { ExceptionLogger } from './exceptions';

/** Where what is told goes. What is missing is taken from the global API, at the moment it is needed. */
export interface Providers {
  readonly tracerProvider: TracerProvider | null;
  readonly meterProvider: MeterProvider | null;
  readonly logger: ExceptionLogger | null;
}

interface Instruments {
  readonly operationDuration: Histogram;
  readonly processDuration: Histogram;
  readonly sent: Counter;
  readonly consumed: Counter;
}

/**
 * The tracer and the instruments. They are looked up when they are needed: the global API has no meter that would follow a provider which is
 * registered later.
 */
export class Telemetry {
  readonly #tracerOf = once((provider: TracerProvider): Tracer =>
    provider.getTracer(names.SCOPE, undefined, { schemaUrl: names.SCHEMA_URL }),
  );
  readonly #instrumentsOf = once(instrumentsOf);

  constructor(private readonly providers: Providers) {}

  get tracer(): Tracer {
    return this.#tracerOf(this.providers.tracerProvider ?? api.trace.getTracerProvider());
  }

  get logger(): ExceptionLogger | null {
    return this.providers.logger;
  }

  /** Tells the metrics of an operation. Ids and numbers of messages are no attributes of them. */
  measure(description: Description, seconds: number, errorType: string | null, isDelivery: boolean): void {
    const instruments = this.#instrumentsOf(this.providers.meterProvider ?? api.metrics.getMeterProvider());
    const { type, tasks } = description;
    const all: Attributes = {
      ...commonAttributes(description),
      ...(errorType !== null && { [names.ERROR_TYPE]: errorType }),
    };
    // The conventions list it for one metric only.
    const { [names.OPERATION_TYPE]: _, ...untyped } = all;
    if (type === 'process') instruments.processDuration.record(seconds, untyped);
    else instruments.operationDuration.record(seconds, all);
    if (type === 'send') instruments.sent.add(tasks.length, untyped);
    if (isDelivery && tasks.length > 0) instruments.consumed.add(tasks.length, untyped);
  }
}

function instrumentsOf(provider: MeterProvider): Instruments {
  const meter = provider.getMeter(names.SCOPE, undefined, { schemaUrl: names.SCHEMA_URL });

  return {
    operationDuration: meter.createHistogram(names.OPERATION_DURATION.name, names.OPERATION_DURATION.options),
    processDuration: meter.createHistogram(names.PROCESS_DURATION.name, names.PROCESS_DURATION.options),
    sent: meter.createCounter(names.SENT_MESSAGES.name, names.SENT_MESSAGES.options),
    consumed: meter.createCounter(names.CONSUMED_MESSAGES.name, names.CONSUMED_MESSAGES.options),
  };
}

/** What `make` made of its last argument; another argument makes it anew. */
function once<P, T>(make: (of: P) => T): (of: P) => T {
  let last: { readonly of: P; readonly made: T } | null = null;

  return (of) => {
    if (last?.of !== of) last = { of, made: make(of) };
    return last.made;
  };
}
