/**
 * Spans and metrics of task queues for OpenTelemetry. Needs `@opentelemetry/api`: `npm install @opentelemetry/api`. See `docs/tracing.md`.
 *
 * @module opentelemetry
 */
export { instrument, processing, type InstrumentOptions } from './instrument';
export type { ExceptionLogger, ExceptionRecord } from './exceptions';
