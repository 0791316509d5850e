export { taskQueue } from './plugin/plugin';
export type { TaskQueueOptions } from './options';
export type { Retention } from './retention';
export { DependsOn, type DependsOnDecorator } from './declare/decorator';
export {
  DependencyType,
  type DependencyCondition,
  type DependencyDeclaration,
  type DependencyOptions,
  type DependencyPolicy,
} from './declare/dependency';
export type { BlockedBy, BlockedOptions, BlockingDocument } from './waiting/blocked-by';
export { Priority, State } from './fields';
export {
  attempts,
  blocked,
  blockedBy,
  cancel,
  cancelled,
  cancelRequested,
  ensureTaskIndexes,
  fail,
  failures,
  findByKey,
  finish,
  history,
  isEmpty,
  lastProgress,
  lease,
  pause,
  paused,
  pop,
  popMany,
  progress,
  push,
  pushOutcome,
  queue,
  release,
  renew,
  requeue,
  resume,
  retry,
  stats,
  unschedule,
  workers,
} from './plugin/verbs';
export { TaskBase, type TaskDocument, type TaskModel } from './model/model';
// Also what nobody writes, but a compiler that writes declarations has to name.
export type { ModelOf, QueueOf, TaskFilter, TaskInput, WithTaskQueue } from './model/input';
export type { TaskFields, WithTaskFields } from './model/fields';
export type { TaskMethods } from './model/methods';
export type { BlockedTask, TaskStatics } from './model/statics';
export type { TaskVerbs } from './model/verbs';
export type { TaskQueuePlugin, TaskSchema } from './model/schema';
export type { Lease, PushOutcome, TaskFailure } from './task/handle';
export type { PopOptions } from './pop/pop';
export type { OnDuplicate } from './push/duplicate';
export type { FindByKeyOptions } from './push/find-by-key';
export type { PushOptions } from './push/options';
export type { PushedCount } from './push/source';
export type { Requeued, RequeueOptions } from './push/requeue-many';
export type { ScheduleOptions } from './schedule/schedule';
export type { QueueOptions } from './queue/queue';
export type { ReleaseOptions, RetryOptions } from './settle/verbs';
export type { CancelOptions } from './cancel/cancel';
export type { CancelledCount, CancelManyOptions } from './cancel/cancel-many';
export type { CancelRequest } from './cancel/cancelled';
export type { Cancellation } from './task/cancellation';
export type { SettleOptions } from './settle/settle';
export type { HistoryMinute, HistoryOptions } from './side/history';
export type { Percentiles } from './side/histogram';
export type { Pause, PauseOptions } from './side/pause';
export type { WorkerRecord } from './side/workers';
export type { TaskStats } from './stats';
export { Worker, type StopOptions, type WorkerConstructor } from './worker/worker';
export type { TaskOf, WeightedModel, WorkerModels } from './worker/models';
export type { Emitter } from './worker/emitter';
export type { WorkerStatus } from './worker/status';
export type { SlowInfo, WorkerEvents } from './worker/events';
export {
  runWorkers,
  type RunWorkersOptions,
  type WorkerProcesses,
  type WorkerProcessesEvents,
} from './worker/processes';
export type { TaskLogger } from './worker/log';
export type { TaskContext } from './worker/perform';
export type { TaskHandler, WorkerOptions } from './worker/options';
export { constant, exponential, linear, type Backoff, type ExponentialBackoff } from './backoff';
export {
  IndexConflictError,
  InvalidOptionError,
  LeaseLostError,
  TaskCancelledError,
  TaskQueueError,
  TaskStateError,
  UnauthorizedError,
  UnrecoverableError,
  UnsupportedServerError,
} from './errors';
