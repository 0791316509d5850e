import { refuseUnknown, requireBoolean, requireText } from '../values/check';
import type { TaskLogger } from '../worker/log';
import { WORKER_OPTIONS, type WorkerOptions } from '../worker/options';

/** What the workers of an application have in common, and each processor may set for itself. */
export interface TaskQueueModuleOptions extends Omit<
  WorkerOptions,
  'handler' | 'handleSignals' | 'logger' | 'category' | 'populate'
> {
  /**
   * Whether workers start with the application. With `false` they wait for `TaskQueueWorkers.start()`, for a process that only pushes or for
   * tests. Default: `true`.
   */
  autoStart?: boolean | undefined;

  /**
   * Gets a line for every event of a worker: a logger with pino's signature, or `false` for none. Default: the application's own `Logger`, with
   * the name of the processor.
   */
  logger?: TaskLogger | false | undefined;
}

/** Options of one processor: they go before those of the module. */
export interface ProcessorOptions extends TaskQueueModuleOptions, Pick<WorkerOptions, 'category' | 'populate'> {
  /** The `connectionName` under which `MongooseModule` has the model. Default: its default connection. */
  connectionName?: string | undefined;
}

/** Options of a worker that a module cannot give all its workers. */
const OWN = ['handler', 'handleSignals', 'category', 'populate'];
const SHARED = [...WORKER_OPTIONS.filter((name) => !OWN.includes(name)), 'autoStart'];

/**
 * Checks what needs no model; the rest is checked when the workers are made.
 *
 * @throws {InvalidOptionError}
 */
export function checkModuleOptions(options: TaskQueueModuleOptions): TaskQueueModuleOptions {
  refuseUnknown(options, SHARED, 'TaskQueueModule');
  if (options.autoStart !== undefined) requireBoolean('autoStart', options.autoStart);

  return options;
}

/** @throws {InvalidOptionError} */
export function checkProcessorOptions(options: ProcessorOptions): ProcessorOptions {
  refuseUnknown(options, [...SHARED, 'category', 'populate', 'connectionName'], '@Processor()');
  if (options.autoStart !== undefined) requireBoolean('autoStart', options.autoStart);
  if (options.connectionName !== undefined)
    requireText('connectionName', options.connectionName, "`connectionName: 'archive'`");

  return options;
}
