import type { CancelledCount, CancelManyOptions } from '../cancel/cancel-many';
import type { PopOptions } from '../pop/pop';
import type { FindByKeyOptions } from '../push/find-by-key';
import type { PushOptions } from '../push/options';
import type { Requeued, RequeueOptions } from '../push/requeue-many';
import type { QueueOptions } from '../queue/queue';
import type { HistoryMinute, HistoryOptions } from '../side/history';
import type { Pause, PauseOptions } from '../side/pause';
import type { WorkerRecord } from '../side/workers';
import type { TaskStats } from '../stats';
import type { BlockedBy, BlockedOptions } from '../waiting/blocked-by';
import type { ModelOf, Pushed, PushedTo, TaskFilter, WithTaskQueue } from './input';

/** A task that waits for documents, as `blocked()` lists it. */
export interface BlockedTask<Doc> {
  /** The task. */
  task: Doc;
  /** What it waits for. */
  blockedBy: BlockedBy[];
}

/** The statics of a model with the plugin. Wrong options and arguments reject with `InvalidOptionError`. */
export interface TaskStatics extends WithTaskQueue {
  /**
   * Stores one task or many (many in one bulk insert) and queues them: each ends FINISHED, FAILED or CANCELLED, or stays in the queue until it
   * expires. Takes fields or documents, and resolves to the documents, which are CREATED. Many documents that are stored already are queued by
   * one write for each thousand, and handed out in the order of their `_id`s; those with changes are saved one by one.
   *
   * An async iterable (a generator, a cursor, an object stream) is read to its end and queued in parts of at most 500, of which one is in memory;
   * it resolves to `{ pushed }`, their number. If it rejects, the parts before are queued, and the iterable is ended.
   *
   * With a `key`, which is for one task only, a live task that has the key is returned and nothing is stored, unless `onDuplicate` says
   * otherwise; `pushOutcome` of the document tells what was done. Rejects with Mongoose's `ValidationError` for values that the schema refuses,
   * and with `TaskStateError` for a document that is RUNNING, or if the tasks of the key change with each of 200 tries.
   */
  push<Doc, Raw, Many = never, Source = never, Locals = never>(
    this: ModelOf<Doc, Raw>,
    input: Pushed<Doc, Raw, Many, Source, Locals>,
    options?: PushOptions,
  ): Promise<PushedTo<Doc, Many, Source>>;

  /**
   * Takes the next ready task, or null: higher priority first, then the earlier due time. The task is RUNNING, and no other caller gets it
   * for `leaseMs` milliseconds (default 300 000). Takes from all categories unless `category` is given.
   *
   * Fields are selected as the schema says; query middleware does not run. Settle the task with `finish()`, `fail()`, `retry()` or
   * `release()`: if it is not settled when its lease ends, it is handed out again.
   */
  pop<Doc>(this: ModelOf<Doc>, options?: PopOptions): Promise<Doc | null>;

  /** Takes up to `limit` (1 to 1 000) ready tasks in one claim, in the order of `pop()`. Resolves to an empty array if none is ready. */
  popMany<Doc>(this: ModelOf<Doc>, limit: number, options?: PopOptions): Promise<Doc[]>;

  /**
   * Takes ready tasks for ever, one at a time; while none is ready it looks again every `pollMs` milliseconds (default 1 000). The lease of
   * the current task is renewed until the next one is asked for. `break` or `signal` ends the loop without an error; a loop body that
   * throws or breaks leaves its task to its lease.
   */
  queue<Doc>(this: ModelOf<Doc>, options?: QueueOptions): AsyncGenerator<Doc, void, void>;

  /**
   * The live task (CREATED or RUNNING) that has this `key`, or null. Where one runs and its successor waits behind it (`onDuplicate`), the
   * successor. The document holds nothing: `push()`, `cancel()` and `unschedule()` are for such a document.
   */
  findByKey<Doc>(this: ModelOf<Doc>, key: string, options?: FindByKeyOptions): Promise<Doc | null>;

  /** Whether no task can be popped now: tasks that are delayed, blocked or held do not count. */
  isEmpty(this: ModelOf<unknown>, options?: Pick<PopOptions, 'category'>): Promise<boolean>;

  /**
   * Creates the indexes of the queue and updates their expiry. The first `pop()` awaits it. Rejects with `IndexConflictError` when an
   * existing index differs in anything else. The index of `startBy` is created once any program has pushed with one.
   */
  ensureTaskIndexes(this: ModelOf<unknown>): Promise<void>;

  /**
   * Counts the tasks that have not ended, CREATED ones as ready, delayed or blocked, and those that failed or were cancelled. It reads the
   * live tasks by their index, and no finished one: it costs as much with a million of them as with none.
   */
  stats(this: ModelOf<unknown>): Promise<TaskStats>;

  /**
   * Queues the FAILED and CANCELLED tasks that match the filter (`{}` for all) again, as `push()` would: attempts from 0, and their dependencies are
   * judged again. Of several tasks with one `key` the one that ended last is queued, and none while a live task has the key; the others
   * count as `skipped` and stay as they are. Safe at any time and from several processes at once; after an interruption call it again: the
   * remaining tasks are still as they were. It runs outside transactions.
   *
   * Rejects with `InvalidOptionError` for a path that the schema does not have, or a condition that is `undefined`.
   */
  requeue<Raw>(
    this: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: RequeueOptions,
  ): Promise<Requeued>;

  /**
   * Cancels the live tasks that match the filter (`{}` for all): those that nobody holds are CANCELLED at once, and count as `cancelled`;
   * the others get a request, as by `task.cancel()`, and count as `cancelling`, also when they had one before. It runs outside
   * transactions, and may be called again after an interruption.
   *
   * Rejects with `InvalidOptionError` for a path that the schema does not have, or a condition that is `undefined`.
   */
  cancel<Raw>(
    this: ModelOf<unknown, Raw>,
    filter: TaskFilter<NoInfer<Raw>>,
    options?: CancelManyOptions,
  ): Promise<CancelledCount>;

  /**
   * Lets no task of the model be claimed, in any process, until `resume()`: `pop()` resolves to null, `isEmpty()` to true, workers and
   * queues finish what they hold and wait. With `category` only tasks of that one. A pause of a discriminator is one of its kind, a pause
   * of the base one of all kinds. Once it has resolved, no claim begins later than a second after. To pause again changes the reason.
   */
  pause(this: ModelOf<unknown>, options?: PauseOptions): Promise<void>;

  /**
   * Ends the pause of the model, or of one category: each ends only what `pause()` with the same arguments has begun. Does nothing where
   * nothing is paused.
   */
  resume(this: ModelOf<unknown>, options?: Pick<PauseOptions, 'category'>): Promise<void>;

  /** The pauses that hold for the model, those of its base included, the latest last. */
  paused(this: ModelOf<unknown>): Promise<Pause[]>;

  /**
   * What workers did with the tasks of the model, a row for each of the last minutes, the oldest first: counts of outcomes, and how long
   * tasks waited and ran, within a twentieth. Workers write it down every 20 seconds, and it is kept for `historySeconds`; tasks that were
   * popped by hand are not in it. All zero with `history: false`.
   */
  history(this: ModelOf<unknown>, options?: HistoryOptions): Promise<HistoryMinute[]>;

  /**
   * The workers that work the queue, in all processes. A worker is in it seconds after its start, and gone with its `stop()`, or a minute
   * after its last sign of life. Empty with `history: false`.
   */
  workers(this: ModelOf<unknown>): Promise<WorkerRecord[]>;

  /**
   * The tasks that wait for documents, the earliest due first, each with the documents it waits for. It looks through all of them: for
   * operators, not for a loop.
   */
  blocked<Doc>(this: ModelOf<Doc>, options?: BlockedOptions): Promise<BlockedTask<Doc>[]>;
}
