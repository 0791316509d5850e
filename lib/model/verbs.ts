import type { PopOptions } from '../pop/pop';
import type { PushOptions } from '../push/push';
import type { Requeued, RequeueOptions } from '../push/requeue-many';
import type { QueueOptions } from '../queue/queue';
import type { SettleOptions } from '../settle/settle';
import type { RetryOptions } from '../settle/verbs';
import type { HistoryMinute, HistoryOptions } from '../side/history';
import type { Pause, PauseOptions } from '../side/pause';
import type { WorkerRecord } from '../side/workers';
import type { TaskStats } from '../stats';
import type { Lease, TaskFailure } from '../task/handle';
import type { BlockedBy, BlockedOptions } from '../waiting/blocked-by';
import type { DocumentLike, ModelOf, Storable, TaskFilter, TaskInput } from './input';

/**
 * The verbs as functions, for models with `bind: false`; they work on all other models too. Each function promises the same as the static
 * or method of its name.
 */
export interface TaskVerbs {
  push<Doc extends DocumentLike>(task: Doc, options?: PushOptions): Promise<Doc>;
  push<Doc>(model: ModelOf<Doc>, task: NoInfer<Doc>, options?: PushOptions): Promise<Doc>;
  push<Doc>(model: ModelOf<Doc>, tasks: readonly NoInfer<Doc>[], options?: PushOptions): Promise<Doc[]>;
  push<Doc, Raw>(model: ModelOf<Doc, Raw>, inputs: readonly TaskInput<Raw>[], options?: PushOptions): Promise<Doc[]>;
  push<Doc, Raw>(model: ModelOf<Doc, Raw>, input: TaskInput<Raw>, options?: PushOptions): Promise<Doc>;

  pop<Doc>(model: ModelOf<Doc>, options?: PopOptions): Promise<Doc | null>;
  popMany<Doc>(model: ModelOf<Doc>, limit: number, options?: PopOptions): Promise<Doc[]>;
  queue<Doc>(model: ModelOf<Doc>, options?: QueueOptions): AsyncGenerator<Doc, void, void>;
  isEmpty(model: ModelOf<unknown>, options?: Pick<PopOptions, 'category'>): Promise<boolean>;
  ensureTaskIndexes(model: ModelOf<unknown>): Promise<void>;
  stats(model: ModelOf<unknown>): Promise<TaskStats>;
  requeue<Raw>(
    model: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: RequeueOptions,
  ): Promise<Requeued>;
  pause(model: ModelOf<unknown>, options?: PauseOptions): Promise<void>;
  resume(model: ModelOf<unknown>, options?: Pick<PauseOptions, 'category'>): Promise<void>;
  paused(model: ModelOf<unknown>): Promise<Pause[]>;
  history(model: ModelOf<unknown>, options?: HistoryOptions): Promise<HistoryMinute[]>;
  workers(model: ModelOf<unknown>): Promise<WorkerRecord[]>;
  blocked<Doc>(model: ModelOf<Doc>, options?: BlockedOptions): Promise<{ task: Doc; blockedBy: BlockedBy[] }[]>;

  finish<Doc extends DocumentLike>(task: Doc, options?: SettleOptions): Promise<Doc>;
  fail<Doc extends DocumentLike>(task: Doc, error?: unknown, options?: SettleOptions): Promise<Doc>;
  retry<Doc extends DocumentLike>(task: Doc, options?: RetryOptions): Promise<Doc>;
  release<Doc extends DocumentLike>(task: Doc, options?: SettleOptions): Promise<Doc>;
  renew(task: DocumentLike, leaseMs?: number): Promise<Lease>;
  progress<T>(task: DocumentLike, value: Storable<T>): Promise<Lease>;
  unschedule<Doc extends DocumentLike>(task: Doc): Promise<Doc>;
  blockedBy(task: DocumentLike): Promise<BlockedBy[]>;
  lease(task: DocumentLike): Lease | null;
  attempts(task: DocumentLike): number;
  failures(task: DocumentLike): readonly TaskFailure[];
  lastProgress(task: DocumentLike): unknown;
}
