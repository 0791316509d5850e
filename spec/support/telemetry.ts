import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export interface Telemetry {
  /** The spans that have ended since the last `forget()`, in the order of their ends. */
  spans(name?: string): ReadableSpan[];
  /** The only span of this name. */
  span(name: string): ReadableSpan;
  /** What was measured under a name, by attributes. */
  points(name: string): Promise<{ descriptor: object; points: DataPoint<number | Histogram>[] }>;
  forget(): void;
}

/** An SDK as an application registers it, for a spec file: spans and metrics stay in memory. */
export function useTelemetry(): Telemetry {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meterProvider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 })],
  });
  const contextManager = new AsyncLocalStorageContextManager();

  beforeAll(() => {
    context.setGlobalContextManager(contextManager.enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(tracerProvider);
    metrics.setGlobalMeterProvider(meterProvider);
  });

  beforeEach(() => spans.reset());

  afterAll(async () => {
    for (const api of [context, propagation, trace, metrics]) api.disable();
    await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
  });

  const ended = (name?: string) => spans.getFinishedSpans().filter((span) => name === undefined || span.name === name);

  return {
    spans: ended,
    span(name) {
      const found = ended(name);
      expect(found.map((span) => span.name)).toEqual([name]);
      return found[0]!;
    },
    async points(name) {
      measured.reset();
      await meterProvider.forceFlush();
      const all = measured.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
      const metric = all.find(({ descriptor }) => descriptor.name === name);
      return { descriptor: metric?.descriptor ?? {}, points: (metric?.dataPoints ?? []) as never };
    },
    forget: () => spans.reset(),
  };
}
