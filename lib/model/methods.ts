import type { CancelOptions } from '../cancel/cancel';
import type { CancelRequest } from '../cancel/cancelled';
import type { PushOptions } from '../push/options';
import type { SettleOptions } from '../settle/settle';
import type { ReleaseOptions, RetryOptions } from '../settle/verbs';
import type { Cancellation } from '../task/cancellation';
import type { Lease, PushOutcome, TaskFailure } from '../task/handle';
import type { BlockedBy } from '../waiting/blocked-by';
import type { Storable } from './input';

/**
 * The methods of a task. Verbs that change its state resolve to the same document. If another handle holds the task, or this one lost its
 * lease, verbs that settle or renew reject with `LeaseLostError` and write nothing. Wrong options reject with `InvalidOptionError`; all
 * errors extend `TaskQueueError`.
 */
export interface TaskMethods {
  /**
   * Queues the document, or a FINISHED, FAILED or CANCELLED task once more, with attempts from 0. For a CREATED task it only saves the changes.
   * Rejects with `TaskStateError` while the task is RUNNING, also for its holder.
   */
  push<Doc>(this: Doc, options?: PushOptions): Promise<Doc>;

  /**
   * Ends the task as FINISHED and saves its modified fields, in one write. Safe to call again after a lost reply. Also works on a document
   * that was not popped, while the task is CREATED. Save hooks run only when fields were modified.
   *
   * Rejects with `TaskStateError` when the task is PENDING, FAILED or deleted.
   */
  finish<Doc>(this: Doc, options?: SettleOptions): Promise<Doc>;

  /** Ends the task as FAILED, whatever attempts it has left, and keeps the error in `failures`. Otherwise like `finish()`. */
  fail<Doc>(this: Doc, error?: unknown, options?: SettleOptions): Promise<Doc>;

  /**
   * Puts the task back in the queue, due after `delayMs` milliseconds (default: the model's `backoff`). The attempt counts: after the last
   * of `maxAttempts` the task becomes FAILED instead. Rejects with `TaskStateError` when the task was not popped.
   */
  retry<Doc>(this: Doc, options?: RetryOptions): Promise<Doc>;

  /**
   * Puts the task back in the queue as if it had not been popped: the attempt does not count. With `delayMs` or `until` it is due only then.
   * Rejects with `TaskStateError` when the task was not popped.
   */
  release<Doc>(this: Doc, options?: ReleaseOptions): Promise<Doc>;

  /**
   * Cancels the task. A task that nobody holds is CANCELLED at once. One that is RUNNING gets a request: its lease is cut to
   * `cancelGraceMs`, its handler's `signal` is aborted with a `TaskCancelledError`, and `renew()` and `progress()` reject with one.
   * `finish()` and `fail()` that come in time count; any other end makes it CANCELLED. A recurring task does not run again.
   *
   * Tasks that wait for it treat it like a FAILED one. Rejects with `TaskStateError` when the task is PENDING, FINISHED, FAILED or deleted;
   * resolves when it is CANCELLED already.
   */
  cancel<Doc>(this: Doc, options?: CancelOptions): Promise<Doc>;

  /**
   * Holds the task for `leaseMs` milliseconds from now (default: the model's `leaseMs`) and resolves to the new lease.
   * Rejects with `TaskStateError` when the task was not popped.
   */
  renew(leaseMs?: number): Promise<Lease>;

  /**
   * Stores the progress of the work, any BSON value, and renews the lease in the same write. Other readers find it in `lastProgress`.
   * Rejects with `TaskStateError` when the task was not popped.
   */
  progress<T>(value: Storable<T>): Promise<Lease>;

  /**
   * Ends a recurring task: a run under way is the last, a run that has not begun does not take place. Does nothing to a task that does not
   * recur. Find the task by its key: `Model.findByKey('nightly')`.
   */
  unschedule<Doc>(this: Doc): Promise<Doc>;

  /**
   * Explains what the task waits for, or was failed by: every unmet dependency with each document that is not done, and the cycle if tasks
   * wait for each other. Resolves to an empty array when no document holds the task back.
   */
  blockedBy(): Promise<BlockedBy[]>;

  /**
   * The lease by which this document holds its task: null before `pop()` and after the task was settled. Its `fence` only grows: give it,
   * with the id, to other systems that must refuse a late holder.
   */
  readonly lease: Lease | null;

  /** How often the task was popped since it was pushed, without the attempts that were released. */
  readonly attempts: number;

  /** Why earlier attempts failed, the newest last; the last 10 are kept. (`errors` of a document are its validation errors.) */
  readonly failures: readonly TaskFailure[];

  /** Why and when the task was cancelled; null unless it is CANCELLED. */
  readonly cancelled: Cancellation | null;

  /** The request to cancel this RUNNING task, as far as this process has heard of it; null without one. */
  readonly cancelRequested: CancelRequest | null;

  /** The value last given to `progress()`; undefined if there is none. */
  readonly lastProgress: unknown;

  /**
   * What became of the push that resolved to this document, for other documents null: `queued`; `kept`, nothing was changed; `replaced`, the
   * waiting task has the new input; `behind`, it waits until the running task of its key has ended; `superseded`, that one was cancelled.
   */
  readonly pushOutcome: PushOutcome | null;
}
