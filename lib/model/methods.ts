import type { PushOptions } from '../push/push';
import type { SettleOptions } from '../settle/settle';
import type { RetryOptions } from '../settle/verbs';
import type { Lease, TaskFailure } from '../task/handle';
import type { BlockedBy } from '../waiting/blocked-by';
import type { Storable } from './input';

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
