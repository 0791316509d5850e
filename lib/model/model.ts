import type { ApplyBasicCreateCasting, DeepPartial, HydratedDocument, Model, QueryFilter, Types } from 'mongoose';
import type { BlockedBy, BlockedOptions } from '../waiting/blocked-by';
import type { State } from '../fields';
import type { Lease, TaskFailure } from '../task/handle';
import type { TaskQueueOptions } from '../options';
import type { PopOptions } from '../pop/pop';
import type { PushOptions } from '../push/push';
import type { Requeued, RequeueOptions } from '../push/requeue-many';
import type { QueueOptions } from '../queue/queue';
import type { RetryOptions, SettleOptions } from '../settle/settle';
import type { TaskStats } from '../stats';

interface EveryField {
  /** Where the task is. Only a document that was there before the plugin, and was never pushed, has none. */
  state: State;

  /** An integer from -100 to 100, higher first; `Priority` names three. Default of a new document: `Priority.MEDIUM` (2). */
  priority: number;

  /** When the document was made. A schema that has a `createdAt` of its own keeps it. */
  createdAt: Date;

  /** What `pop({ category })` chooses by. There only with the option `category: true`. */
  category?: string | null;
}

type NameOf<Field extends string, O> = O extends { fields: { [K in Field]: infer Name extends string } }
  ? string extends Name
    ? Field
    : Name
  : Field;

/** The fields the plugin adds. `O` is the type of its options: `TaskFields<{ fields: { state: 'taskState' } }>` has `taskState`. */
export type TaskFields<O extends TaskQueueOptions = {}> = {
  [
    K in keyof EveryField as K extends 'category' ? (O extends { category: true } ? NameOf<K, O> : never) : NameOf<K, O>
  ]: EveryField[K];
};

/** `T` and the fields the plugin adds to it: those that `T` has keep their own type. */
export type WithTaskFields<T, O extends TaskQueueOptions = {}> = T &
  (string extends keyof T ? TaskFields<O> : { [K in keyof TaskFields<O> as Exclude<K, keyof T>]: TaskFields<O>[K] });

/**
 * A model whose documents are `Doc`, stored as `Raw`. Structural on purpose: two methods tell the compiler all that the
 * verbs need, where comparing with a whole `Model` is slow and fails for some models.
 */
export interface ModelOf<Doc, Raw = unknown> {
  hydrate(stored: never): Doc;
  castObject(input: never): Raw;
}

/** There in types alone: what a model has whose schema has the plugin, also with `bind: false`. */
declare const hasTaskQueue: unique symbol;
export interface WithTaskQueue {
  readonly [hasTaskQueue]: true;
}

/** A model whose schema has the plugin, and whose documents are `Doc`. */
export type QueueOf<Doc, Raw = unknown> = ModelOf<Doc, Raw> & WithTaskQueue;

/** What `progress()` takes: any BSON value, which a function or a symbol is not. */
export type Storable<T> = T extends ((...values: never) => unknown) | symbol ? never : T;

/** A document of any model, told by a property that neither a plain object nor a model has. */
export interface DocumentLike {
  $locals: Record<string, unknown>;
}

/** The fields of `Raw` that hold a task's state, whatever they are called: known by their type, without the plugin's options. */
type StateKey<Raw> = keyof { [K in keyof Raw as IsState<Raw[K]> extends true ? K : never]: true };
type IsState<T> = 0 extends 1 & T ? false : [T] extends [State] ? ([State] extends [T] ? true : false) : false;

type WithId<T> = '_id' extends keyof T ? T : T & { _id: Types.ObjectId };

/**
 * What `Model.push()` takes: the fields of the schema as `Model.create()` takes them (a string for an ObjectId), with
 * `priority` and `category`, without the state. None is required here, since types do not know which fields have defaults: a
 * missing one is a `ValidationError` at run time.
 */
export type TaskInput<Raw> = DeepPartial<ApplyBasicCreateCasting<WithId<Omit<Raw, '__v'>>>> & {
  [K in StateKey<Raw>]?: never;
};

/** Which tasks: a filter as `Model.find()` takes it, also by what the queue keeps of a task: `'_task.settledAt'`. */
export type TaskFilter<Raw> = QueryFilter<Raw> & { [path: `_task.${string}`]: unknown };

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

/**
 * The methods of a task. They resolve to the same document. Where somebody else holds the task, or the lease was lost to
 * them, those that settle or renew reject with `LeaseLostError` and write nothing. Wrong options reject with
 * `InvalidOptionError`; all errors extend `TaskQueueError`.
 */
export interface TaskMethods {
  /**
   * Queues the document, or a finished or failed task once more, with attempts from 0. On a CREATED task it saves the changes.
   * Rejects with `TaskStateError` while the task is RUNNING, also for its holder.
   */
  push<Doc>(this: Doc, options?: PushOptions): Promise<Doc>;

  /**
   * Ends the task as FINISHED and saves its modified fields, in one write. Sent again after a lost reply it succeeds. Works
   * on a document that was never popped while the task is CREATED. Save hooks run only when fields were modified.
   *
   * Rejects with `TaskStateError` when the task is PENDING, FAILED or deleted.
   */
  finish<Doc>(this: Doc, options?: SettleOptions): Promise<Doc>;

  /** Ends the task as FAILED, whatever attempts it has left, and keeps the error in `failures`. Otherwise like `finish()`. */
  fail<Doc>(this: Doc, error?: unknown, options?: SettleOptions): Promise<Doc>;

  /**
   * Puts the task back in the queue, due after `delayMs` milliseconds (default: the model's `backoff`). The attempt counts:
   * when it was the last of `maxAttempts`, the task is FAILED instead. Rejects with `TaskStateError` when it was not popped.
   */
  retry<Doc>(this: Doc, options?: RetryOptions): Promise<Doc>;

  /**
   * Puts the task back in the queue as if it had not been popped: its attempt does not count. Rejects with `TaskStateError`
   * when it was not popped.
   */
  release<Doc>(this: Doc, options?: SettleOptions): Promise<Doc>;

  /**
   * Holds the task for `leaseMs` milliseconds from now (default: the model's `leaseMs`) and resolves to the new lease.
   * Rejects with `TaskStateError` when it was not popped.
   */
  renew(leaseMs?: number): Promise<Lease>;

  /**
   * Stores a value that says how far the work is, any BSON value, and renews the lease in the same write. Others read it as
   * `lastProgress`. Rejects with `TaskStateError` when it was not popped.
   */
  progress<T>(value: Storable<T>): Promise<Lease>;

  /**
   * Ends a recurring task: a run under way is its last, one that is not due yet does not take place. Does nothing to a task that
   * does not recur. The task is found by its key: `Model.findOne({ '_task.key': 'nightly' })`.
   */
  unschedule<Doc>(this: Doc): Promise<Doc>;

  /**
   * What the task waits for, or was failed by: every unmet dependency with each document that is not done, and the way back to
   * the task itself where they wait for each other in a circle. Empty when no document holds it back.
   */
  blockedBy(): Promise<BlockedBy[]>;

  /**
   * The lease by which this document holds its task: null before it was popped and after it was settled. Its `fence` only
   * grows: give it, with the id, to other systems that must refuse a holder who is late.
   */
  readonly lease: Lease | null;

  /** How often the task was popped since it was pushed, without the attempts that were released. */
  readonly attempts: number;

  /** Why earlier attempts failed, the newest last; the last 10 are kept. (`errors` of a document are its validation errors.) */
  readonly failures: readonly TaskFailure[];

  /** What its holder said last with `progress()`. */
  readonly lastProgress: unknown;
}

/** The methods the plugin adds under these options: none with `bind: false`. */
export type BoundMethods<O extends TaskQueueOptions = {}> = O extends { bind: false } ? {} : TaskMethods;

/** The statics the plugin adds under these options: none with `bind: false`. */
export type BoundStatics<O extends TaskQueueOptions = {}> = O extends { bind: false } ? WithTaskQueue : TaskStatics;

/** A task of `TaskModel<T, O>`. */
export type TaskDocument<T, O extends TaskQueueOptions = {}> = HydratedDocument<WithTaskFields<T, O>, BoundMethods<O>>;

/**
 * The model of tasks whose own fields are `T`, for code that declares interfaces first or has its models injected. With
 * statics or methods of your own: `interface MailModel extends Model<Mail & TaskFields, {}, TaskMethods & MailMethods>, TaskStatics`.
 *
 * @example
 * const schema = new Schema<Mail & TaskFields, TaskModel<Mail>, TaskMethods>({ to: String });
 * schema.plugin(taskQueue, { leaseMs: 60_000 });
 * const Mail = model<Mail & TaskFields, TaskModel<Mail>>('Mail', schema);
 */
export type TaskModel<T, O extends TaskQueueOptions = {}> = BoundStatics<O> &
  Model<WithTaskFields<T, O>, {}, BoundMethods<O>, {}, TaskDocument<T, O>>;

/**
 * The same verbs as functions, for models with `bind: false`; they work on all others too. Each promises what the static or
 * method of its name does.
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

/** What a Typegoose class gets from the plugin, as types: the class is empty at run time. */
export interface TaskBase extends TaskFields, TaskMethods {}

/**
 * The base of Typegoose classes that are tasks.
 *
 * @example
 * @plugin(taskQueue) class Mail extends TaskBase { @prop() to?: string }
 */
export const TaskBase: (abstract new () => TaskBase) & TaskStatics = class {} as never;
