/** What a handler is given beside its task. */
export interface TaskContext {
  /**
   * Aborted when the task is no longer the handler's: its lease was lost (`LeaseLostError`), the time limit was reached
   * (`TimeoutError`), or the worker stops and does not wait any longer (`AbortError`). The reason tells which.
   */
  readonly signal: AbortSignal;
}
