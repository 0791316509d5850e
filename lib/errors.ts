/** Base of every error this library throws on purpose: catch it to catch them all. */
export class TaskQueueError extends Error {
  override name = 'TaskQueueError';
}

/** An option or an argument is wrong. Nothing was changed; fix the code. */
export class InvalidOptionError extends TaskQueueError {
  override name = 'InvalidOptionError';
}

/** The state of the task does not allow what was asked, for example `push()` of a running task. Nothing was changed. */
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

/** This handle does not hold the task (any more). Nothing was changed; stop working on it, somebody else may be. */
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

/** An index in the database differs from the one the queue needs, in more than its expiry. */
export class IndexConflictError extends TaskQueueError {
  override name = 'IndexConflictError';
}

/** The server is older than MongoDB 6.0, or is set up so that it cannot do what was asked. */
export class UnsupportedServerError extends TaskQueueError {
  override name = 'UnsupportedServerError';
}

/** The connection's user lacks a right, which the message names: see docs/operating.md. Nothing was changed. */
export class UnauthorizedError extends TaskQueueError {
  override name = 'UnauthorizedError';
  /** As the server's own error has them. */
  readonly code = 13;
  readonly codeName = 'Unauthorized';
}

/** Thrown by a handler, it fails the task at once, whatever attempts are left: trying again would not help. */
export class UnrecoverableError extends Error {
  override name = 'UnrecoverableError';
}
