import { loadPeer } from '../peer';

/** The client library of Prometheus, for the metrics that are registered with it. */
export const client = loadPeer(
  'prom-client',
  'metrics',
  // An import at the top could not say what to install.
  () => require('prom-client') as typeof import('prom-client'),
);

/** All that is registered. */
export const NAMES = [
  'task_queue_tasks',
  'task_queue_oldest_ready_age_seconds',
  'task_queue_workers',
  'task_queue_paused',
  'task_queue_up',
  'task_queue_attempts_total',
  'task_queue_wait_seconds',
  'task_queue_run_seconds',
];
