/**
 * Task queues in Nest: `npm install @nestjs/common @nestjs/core`, which a Nest application has. See `docs/nestjs.md`.
 *
 * @example
 * import { Processor, TaskQueueModule } from 'mongoose-task-queue/nestjs';
 *
 * @module nestjs
 */
export { TaskQueueModule, type TaskQueueModuleAsyncOptions } from './module';
export { InjectWorker, OnTask, Process, Processor, type ProcessOptions } from './decorators';
export { TaskQueueWorkers, type ApplicationWorker } from './workers';
export { TaskQueueHealth, type TaskQueueHealthReport } from './health';
export { workerToken } from './reference';
export type { Named, NamedModel } from './named';
export type { ProcessorOptions, TaskQueueModuleOptions } from './options';
