/** Every transition of a task in a worker's hands, and what concerns the worker itself. */
export interface WorkerEvents<Doc> {
  started: [task: Doc];
  finished: [task: Doc];
  /** Put back in the queue for another attempt. */
  retried: [task: Doc, error: unknown];
  /** FAILED for good. */
  failed: [task: Doc, error: unknown];
  /** Given back without an attempt being charged: by the handler, or because the worker stopped. */
  released: [task: Doc];
  /** Taken over by somebody else, or deleted: nothing was written. */
  lost: [task: Doc, error: unknown];
  /**
   * Nothing is ready now, and nothing is being worked on. Told once, until something was claimed again. It does not mean that the queue is
   * empty: tasks that are delayed, that wait for others, or that a transaction held up at this moment may become ready.
   */
  idle: [];
  stopped: [];
  /**
   * The worker goes on after it. Reported once as a process warning when nobody listens. One that does not pass by itself, such as a missing
   * right, is told once a minute.
   */
  error: [error: unknown];
}
