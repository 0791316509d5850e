/** How long a handler runs already. */
export interface SlowInfo {
  /** Milliseconds since its start. */
  ms: number;
}

/** The events of a worker: every transition of a task it holds, and its own. */
export interface WorkerEvents<Doc> {
  /** Its handler is about to be called. */
  started: [task: Doc];
  /** FINISHED, by its handler or because that came to its end. */
  finished: [task: Doc];
  /** Put back in the queue for another attempt. */
  retried: [task: Doc, error: unknown];
  /** FAILED for good. */
  failed: [task: Doc, error: unknown];
  /** CANCELLED: it was to be cancelled, and its handler did not finish it in time. `error` is a `TaskCancelledError`. */
  cancelled: [task: Doc, error: unknown];
  /** Given back without charging an attempt: by the handler, or because the worker stopped. */
  released: [task: Doc];
  /** A handler has not ended within `slowMs`; it goes on. Once for each attempt, with how long it runs, in milliseconds. */
  slow: [task: Doc, info: SlowInfo];
  /** Taken over by another consumer, or deleted: this worker wrote nothing. */
  lost: [task: Doc, error: unknown];
  /**
   * No task is ready now, and none is being worked on. Emitted once, until a task is claimed again. The queue need not be empty: tasks
   * that are delayed, wait for other documents, or are locked by a transaction may become ready.
   */
  idle: [];
  /** Everything that `stop()` had to wait for has ended. */
  stopped: [];
  /**
   * An error after which the worker goes on. Without a listener the first one is a process warning. A permanent error, such as a missing
   * right, is emitted once a minute.
   */
  error: [error: unknown];
}
