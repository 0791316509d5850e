import { type AnyDocument, modelOf } from '../definition/definition';
import { attempts } from '../task/handle';
import type { Emitter } from './emitter';
import type { WorkerEvents } from './events';

/** A logger with pino's signature; `console` fits as well. */
export interface TaskLogger {
  /** `task started`. */
  debug(fields: object, message: string): void;
  /** `task finished`, `task released`, `worker stopped`. */
  info(fields: object, message: string): void;
  /** `task retried`, `task lost`. */
  warn(fields: object, message: string): void;
  /** `task failed`, and what the worker goes on after. */
  error(fields: object, message: string): void;
}

/** The log level of each event. */
const LEVELS = {
  started: 'debug',
  finished: 'info',
  retried: 'warn',
  failed: 'error',
  cancelled: 'info',
  released: 'info',
  lost: 'warn',
} as const satisfies Partial<Record<keyof WorkerEvents<unknown>, keyof TaskLogger>>;

/** Writes one line for each event of a worker, with the model, the id and the attempt of the task. */
export function logWorker(worker: Emitter<WorkerEvents<AnyDocument>>, logger: TaskLogger): void {
  for (const [name, level] of Object.entries(LEVELS) as [keyof typeof LEVELS, keyof TaskLogger][]) {
    worker.on(name, (task: AnyDocument, error?: unknown) => {
      const fields = { model: modelOf(task).modelName, task: task._id, attempt: attempts(task) };
      // A promise of it is heard as that of any listener.
      return logger[level](error === undefined ? fields : { ...fields, err: error }, `task ${name}`);
    });
  }
  worker.on('slow', (task, { ms }) => {
    const fields = { model: modelOf(task).modelName, task: task._id, attempt: attempts(task), ms };
    return logger.warn(fields, 'task slow');
  });
  worker.on('error', (error) => logger.error({ err: error }, 'worker goes on after an error'));
  worker.on('stopped', () => logger.info({}, 'worker stopped'));
}
