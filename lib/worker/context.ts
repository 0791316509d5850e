/** What a handler is given beside its task. */
export interface TaskContext {
  /**
   * Aborted when the task is no longer the handler's: its lease was lost (`LeaseLostError`), the time limit was reached
   * (`TimeoutError`), or the worker stops and does not wait any longer (`AbortError`). The reason tells which.
   */
  readonly signal: AbortSignal;
}

/** The signal of `held`, made when the handler asks for it: it costs more than all else a worker does for a task. */
export function contextOf(held: TaskContext): TaskContext {
  return {
    get signal() {
      return held.signal;
    },
  };
}
