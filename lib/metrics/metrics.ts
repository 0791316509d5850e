import type { Registry, RegistryContentType } from 'prom-client';
import { InvalidOptionError } from '../errors';
import { Attempts } from './attempts';
import { NAMES } from './client';
import { Gauges } from './gauges';
import { type MetricsOptions, resolveMetricsOptions } from './options';

/** What `metrics()` has registered. */
export interface Metrics {
  /** The registry with the metrics: `await register.metrics()` is the answer to a scrape, `register.contentType` its type. */
  readonly register: Registry<RegistryContentType>;
  /** Takes the metrics out of the registry again, and stops counting. Safe to call twice. */
  close(): void;
}

/**
 * Registers metrics of queues with prom-client. Those of the database (`task_queue_tasks`, `…_oldest_ready_age_seconds`, `…_workers`,
 * `…_paused`, `…_up`) are read with each scrape, at most once in `maxAgeMs`; they are the same in each process, so that any one may
 * be scraped. Those of workers (`…_attempts_total`, `…_wait_seconds`, `…_run_seconds`) count what all workers of this process do from now on,
 * so that each process with workers is to be scraped. Times are in seconds; labels are the names of models, states and outcomes.
 *
 * @throws {InvalidOptionError} for a wrong option, a model without the plugin, or a registry that has such metrics already. Nothing is
 * registered then.
 * @example
 * const { register } = metrics({ models: [Email, Report] });
 * app.get('/metrics', async (_, response) => response.type(register.contentType).send(await register.metrics()));
 */
export function metrics(options: MetricsOptions): Metrics {
  const resolved = resolveMetricsOptions(options);
  const { register } = resolved;
  const taken = NAMES.find((name) => register.getSingleMetric(name));
  if (taken !== undefined)
    throw new InvalidOptionError(
      `Expected a registry without task queues, got one that has \`${taken}\` already. Call \`metrics()\` once, with all models, or with a \`register\` of its own.`,
    );

  new Gauges(resolved);
  const attempts = new Attempts(resolved);
  let isOpen = true;
  return {
    register,
    close() {
      if (isOpen) for (const name of NAMES) register.removeSingleMetric(name);
      isOpen = false;
      attempts.close();
    },
  };
}
