/** The base of all errors that this library throws on purpose: catch it to catch them all. */
export class TaskQueueError extends Error {
  override name = 'TaskQueueError';
}

/** An option or an argument is wrong. Nothing was changed; fix the code. */
export class InvalidOptionError extends TaskQueueError {
  override name = 'InvalidOptionError';
}

/** The state of the task does not allow the operation, for example `push()` of a RUNNING task. Nothing was changed. */
export class TaskStateError extends TaskQueueError {
  override name = 'TaskStateError';

  constructor(
    message: string,
    /** `_id` of the task. */
    readonly taskId: unknown,
    /** State found in the database; null when the task is gone. */
    readonly state: string | null,
  ) {
    super(message);
  }
}

/** This handle does not hold the task (any more). Nothing was changed; stop working on the task, another holder may have it. */
export class LeaseLostError extends TaskQueueError {
  override name = 'LeaseLostError';

  constructor(
    message: string,
    /** `_id` of the task. */
    readonly taskId: unknown,
  ) {
    super(message);
  }
}

/**
 * The task was cancelled. As the reason of a handler's `signal`, or from `renew()` and `progress()`, it means: stop. The task may still be
 * finished until its shortened lease ends.
 */
export class TaskCancelledError extends TaskQueueError {
  override name = 'TaskCancelledError';

  constructor(
    message: string,
    /** `_id` of the task. */
    readonly taskId: unknown,
    /** What was given to `cancel()`, if anything. */
    readonly reason: string | undefined,
    /** When the shortened lease ends, by the server's clock; null for a task that is CANCELLED already. */
    readonly until: Date | null,
  ) {
    super(message);
  }
}

/** An index in the database differs from the one the queue needs, in more than its expiry. */
export class IndexConflictError extends TaskQueueError {
  override name = 'IndexConflictError';
}

/** The server is older than MongoDB 6.0, or is set up so that it cannot do the operation. */
export class UnsupportedServerError extends TaskQueueError {
  override name = 'UnsupportedServerError';
}

/** The connection's user lacks a right, which the message names; see docs/operating.md. Nothing was changed. */
export class UnauthorizedError extends TaskQueueError {
  override name = 'UnauthorizedError';
  /** The code and the name of the server's own error. */
  readonly code = 13;
  /** The name of that code. */
  readonly codeName = 'Unauthorized';
}

/** Throw it in a handler to fail the task at once, whatever attempts are left, because another try would not help. */
export class UnrecoverableError extends Error {
  override name = 'UnrecoverableError';
}
