/**
 * Spans and metrics of task queues for OpenTelemetry, by its API: `npm install @opentelemetry/api`. See `docs/tracing.md`.
 *
 * @example
 * import { instrument } from 'mongoose-task-queue/opentelemetry';
 *
 * instrument({ propagate: true });
 *
 * @module opentelemetry
 */
export { instrument, processing, type InstrumentOptions } from './instrument';
export type { ExceptionLogger, ExceptionRecord } from './exceptions';
