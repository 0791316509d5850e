import type { PopOptions } from '../pop/pop';
import type { PushOptions } from '../push/push';
import type { Requeued, RequeueOptions } from '../push/requeue-many';
import type { QueueOptions } from '../queue/queue';
import type { TaskStats } from '../stats';
import type { BlockedBy, BlockedOptions } from '../waiting/blocked-by';
import type { ModelOf, TaskFilter, TaskInput, WithTaskQueue } from './input';

/** The statics of a model with the plugin. Wrong options and arguments reject with `InvalidOptionError`. */
export interface TaskStatics extends WithTaskQueue {
  /**
   * Stores one task or many (many in one bulk insert) and queues them: each ends FINISHED or FAILED, or stays in the queue
   * until its expiry. Takes input or documents and resolves to the documents, CREATED.
   *
   * With a `key`, a live task that has it is resolved to and nothing is stored; a key goes with one task. Rejects with
   * Mongoose's `ValidationError` for what the schema refuses, and with `TaskStateError` for a document that is RUNNING.
   */
  push<Doc>(this: ModelOf<Doc>, task: NoInfer<Doc>, options?: PushOptions): Promise<Doc>;
  push<Doc>(this: ModelOf<Doc>, tasks: readonly NoInfer<Doc>[], options?: PushOptions): Promise<Doc[]>;
  push<Doc, Raw>(this: ModelOf<Doc, Raw>, inputs: readonly TaskInput<Raw>[], options?: PushOptions): Promise<Doc[]>;
  push<Doc, Raw>(this: ModelOf<Doc, Raw>, input: TaskInput<Raw>, options?: PushOptions): Promise<Doc>;

  /**
   * Takes the next ready task, or null: higher priority first, then the one that is due longest. It is RUNNING and nobody
   * else gets it for `leaseMs` milliseconds (default 300 000). Takes from all categories unless `category` is given.
   *
   * Fields are selected as the schema says; query middleware does not run. Whoever pops ends with `finish()`, `fail()`,
   * `retry()` or `release()`; a task that is not settled when its lease ends is handed out again.
   */
  pop<Doc>(this: ModelOf<Doc>, options?: PopOptions): Promise<Doc | null>;

  /** Takes up to `limit` (1 to 1 000) ready tasks in one claim, in the order of `pop()`; none is an empty array. */
  popMany<Doc>(this: ModelOf<Doc>, limit: number, options?: PopOptions): Promise<Doc[]>;

  /**
   * Takes ready tasks for ever, one at a time, and looks again every `pollMs` milliseconds (default 1 000) while there are
   * none. The lease of the task at hand is renewed until the next one is asked for. `break` or `signal` ends it without an
   * error; a loop body that throws or breaks leaves its task to its lease.
   */
  queue<Doc>(this: ModelOf<Doc>, options?: QueueOptions): AsyncGenerator<Doc, void, void>;

  /** Whether nothing can be popped now: tasks that are delayed, blocked or held do not count. */
  isEmpty(this: ModelOf<unknown>, options?: Pick<PopOptions, 'category'>): Promise<boolean>;

  /** Creates the indexes of the queue and adapts those of an earlier version or other options. The first `pop()` awaits it. */
  ensureTaskIndexes(this: ModelOf<unknown>): Promise<void>;

  /** Counts the tasks by what becomes of them next. It reads every task: for a dashboard, not for a loop. */
  stats(this: ModelOf<unknown>): Promise<TaskStats>;

  /**
   * Queues failed tasks again, those that match the filter (`{}` for all), as `push()` would: attempts from 0, what they wait for judged
   * anew. Of several with one `key` the one that failed last comes back, and none while a live task has the key; the others are
   * `skipped` and stay FAILED. Safe at any time and from several processes at once; after an interruption call it again: those that
   * are left are still FAILED. It is in no transaction.
   *
   * Rejects with `InvalidOptionError` for a filter that the schema does not know, or a condition that is `undefined`.
   */
  requeue<Raw>(
    this: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: RequeueOptions,
  ): Promise<Requeued>;

  /**
   * The tasks that wait for documents, the longest waiting first, each with what it waits for. It looks through all of them: for
   * operators, not for a loop.
   */
  blocked<Doc>(this: ModelOf<Doc>, options?: BlockedOptions): Promise<{ task: Doc; blockedBy: BlockedBy[] }[]>;
}
