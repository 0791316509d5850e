/**
 * Metrics of task queues for Prometheus, registered with prom-client: `npm install prom-client`. See `docs/metrics.md`.
 *
 * @example
 * import { metrics } from 'mongoose-task-queue/metrics';
 *
 * const { register } = metrics({ models: [Email, Report] });
 *
 * @module metrics
 */
export { metrics, type Metrics } from './metrics';
export type { MetricsOptions } from './options';
