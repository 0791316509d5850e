import type { CancelOptions } from '../cancel/cancel';
import type { CancelledCount, CancelManyOptions } from '../cancel/cancel-many';
import type { CancelRequest } from '../cancel/cancelled';
import type { PopOptions } from '../pop/pop';
import type { FindByKeyOptions } from '../push/find-by-key';
import type { PushOptions } from '../push/options';
import type { Requeued, RequeueOptions } from '../push/requeue-many';
import type { QueueOptions } from '../queue/queue';
import type { SettleOptions } from '../settle/settle';
import type { ReleaseOptions, RetryOptions } from '../settle/verbs';
import type { HistoryMinute, HistoryOptions } from '../side/history';
import type { Pause, PauseOptions } from '../side/pause';
import type { WorkerRecord } from '../side/workers';
import type { TaskStats } from '../stats';
import type { Cancellation } from '../task/cancellation';
import type { Lease, PushOutcome, TaskFailure } from '../task/handle';
import type { BlockedBy, BlockedOptions } from '../waiting/blocked-by';
import type { DocumentLike, ModelOf, Pushed, PushedTo, Storable, TaskFilter } from './input';
import type { BlockedTask } from './statics';

/**
 * The verbs as functions, for models with `bind: false`; they work on all other models too. Each function promises the same as the static
 * or method of its name.
 */
export interface TaskVerbs {
  /** See {@link TaskMethods.push}. */
  push<Doc extends DocumentLike>(task: Doc, options?: PushOptions): Promise<Doc>;
  /** See {@link TaskStatics.push}. */
  push<Doc, Raw, Many = never, Source = never, Locals = never>(
    model: ModelOf<Doc, Raw>,
    input: Pushed<Doc, Raw, Many, Source, Locals>,
    options?: PushOptions,
  ): Promise<PushedTo<Doc, Many, Source>>;

  /** See {@link TaskStatics.pop}. */
  pop<Doc>(model: ModelOf<Doc>, options?: PopOptions): Promise<Doc | null>;
  /** See {@link TaskStatics.popMany}. */
  popMany<Doc>(model: ModelOf<Doc>, limit: number, options?: PopOptions): Promise<Doc[]>;
  /** See {@link TaskStatics.queue}. */
  queue<Doc>(model: ModelOf<Doc>, options?: QueueOptions): AsyncGenerator<Doc, void, void>;
  /** See {@link TaskStatics.isEmpty}. */
  isEmpty(model: ModelOf<unknown>, options?: Pick<PopOptions, 'category'>): Promise<boolean>;
  /** See {@link TaskStatics.findByKey}. */
  findByKey<Doc>(model: ModelOf<Doc>, key: string, options?: FindByKeyOptions): Promise<Doc | null>;
  /** See {@link TaskStatics.ensureTaskIndexes}. */
  ensureTaskIndexes(model: ModelOf<unknown>): Promise<void>;
  /** See {@link TaskStatics.stats}. */
  stats(model: ModelOf<unknown>): Promise<TaskStats>;
  /** See {@link TaskStatics.requeue}. */
  requeue<Raw>(
    model: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: RequeueOptions,
  ): Promise<Requeued>;
  /** See {@link TaskStatics.blocked}. */
  blocked<Doc>(model: ModelOf<Doc>, options?: BlockedOptions): Promise<BlockedTask<Doc>[]>;
  /** See {@link TaskMethods.cancel}. */
  cancel<Doc extends DocumentLike>(task: Doc, options?: CancelOptions): Promise<Doc>;
  /** See {@link TaskStatics.cancel}. */
  cancel<Raw>(
    model: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: CancelManyOptions,
  ): Promise<CancelledCount>;
  /** See {@link TaskStatics.pause}. */
  pause(model: ModelOf<unknown>, options?: PauseOptions): Promise<void>;
  /** See {@link TaskStatics.resume}. */
  resume(model: ModelOf<unknown>, options?: Pick<PauseOptions, 'category'>): Promise<void>;
  /** See {@link TaskStatics.paused}. */
  paused(model: ModelOf<unknown>): Promise<Pause[]>;
  /** See {@link TaskStatics.history}. */
  history(model: ModelOf<unknown>, options?: HistoryOptions): Promise<HistoryMinute[]>;
  /** See {@link TaskStatics.workers}. */
  workers(model: ModelOf<unknown>): Promise<WorkerRecord[]>;

  /** See {@link TaskMethods.finish}. */
  finish<Doc extends DocumentLike>(task: Doc, options?: SettleOptions): Promise<Doc>;
  /** See {@link TaskMethods.fail}. */
  fail<Doc extends DocumentLike>(task: Doc, error?: unknown, options?: SettleOptions): Promise<Doc>;
  /** See {@link TaskMethods.retry}. */
  retry<Doc extends DocumentLike>(task: Doc, options?: RetryOptions): Promise<Doc>;
  /** See {@link TaskMethods.release}. */
  release<Doc extends DocumentLike>(task: Doc, options?: ReleaseOptions): Promise<Doc>;
  /** See {@link TaskMethods.renew}. */
  renew(task: DocumentLike, leaseMs?: number): Promise<Lease>;
  /** See {@link TaskMethods.progress}. */
  progress<T>(task: DocumentLike, value: Storable<T>): Promise<Lease>;
  /** See {@link TaskMethods.unschedule}. */
  unschedule<Doc extends DocumentLike>(task: Doc): Promise<Doc>;
  /** See {@link TaskMethods.blockedBy}. */
  blockedBy(task: DocumentLike): Promise<BlockedBy[]>;
  /** See {@link TaskMethods.lease}. */
  lease(task: DocumentLike): Lease | null;
  /** See {@link TaskMethods.attempts}. */
  attempts(task: DocumentLike): number;
  /** See {@link TaskMethods.failures}. */
  failures(task: DocumentLike): readonly TaskFailure[];
  /** See {@link TaskMethods.cancelled}. */
  cancelled(task: DocumentLike): Cancellation | null;
  /** See {@link TaskMethods.cancelRequested}. */
  cancelRequested(task: DocumentLike): CancelRequest | null;
  /** See {@link TaskMethods.lastProgress}. */
  lastProgress(task: DocumentLike): unknown;
  /** See {@link TaskMethods.pushOutcome}. */
  pushOutcome(task: DocumentLike): PushOutcome | null;
}
