/** What a program has set, while it is set to 0 here. */
let limit: number | null = null;

// It is not with `--frozen-intrinsics`.
const isWritable = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')?.writable === true;

/**
 * Begins a save. Mongoose first makes the error of a save that fails, for each that does not as well, and its stack trace is a third of the
 * time of a save (5 µs): so it gets none, unless it is thrown (see `withTrace()`). What the program itself runs within the save has its traces.
 */
export function beginSave<T>(save: () => Promise<T>): Promise<T> {
  if (!isWritable) return save();
  limit ??= Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return save();
  } finally {
    traceAgain();
  }
}

/** Called by the first hook of each save, before those of the program. */
export function traceAgain(): void {
  if (limit === null) return;
  Error.stackTraceLimit = limit;
  limit = null;
}

/** The error, with the trace that it was made without. */
export function withTrace(error: unknown): unknown {
  if (error instanceof Error && typeof error.stack === 'string' && !error.stack.includes('\n    at '))
    Error.captureStackTrace(error, withTrace);

  return error;
}
