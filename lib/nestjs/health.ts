import type { WorkerStatus } from '../worker/status';
import { common } from './nest';
import { TaskQueueWorkers } from './workers';

/** What `TaskQueueHealth.check()` found. */
export interface TaskQueueHealthReport {
  /** `down`: a worker that starts by itself does not run, or a connection is lost. */
  status: 'up' | 'down';
  /** The workers by the names of their models. */
  workers: Record<
    string,
    {
      /** What the worker does. A paused one is healthy. */
      state: WorkerStatus['state'];
      /** How many tasks it holds. */
      held: number;
      /** Whether the connection of its model is open. */
      connected: boolean;
    }
  >;
}

/** Tells whether the workers of this process are well, for a health check of any kind. It asks the database nothing. */
@common.Injectable()
export class TaskQueueHealth {
  /** Called by Nest. */
  constructor(@common.Inject(TaskQueueWorkers) private readonly workers: TaskQueueWorkers) {}

  /** Never rejects once the application is up. While it shuts down, workers that end their tasks are `down`. */
  async check(): Promise<TaskQueueHealthReport> {
    const report: TaskQueueHealthReport = { status: 'up', workers: {} };
    for (const { name, worker, autoStart, isConnected } of this.workers.all) {
      const { state, held } = worker.status();
      const isWell = isConnected && (!autoStart || state === 'running' || state === 'paused');
      if (!isWell) report.status = 'down';
      report.workers[name] = { state, held: held.length, connected: isConnected };
    }

    return report;
  }
}
