// How long a worker waits, in milliseconds.

/** For aborted tasks to be given back and for the last beat, after the limit of `stop()`. */
export const LEAVE_MS = 700;

/** For a settle that was under way at an abort, before it sends its own. */
export const GRACE_MS = 300;

/** For a slot to be freed, while it holds tasks that were claimed ahead: then handlers are slower than before, and they are given back. */
export const STALE_MS = 1_000;

/** Tasks are claimed ahead that will start within this time. */
export const AHEAD_MS = 50;
