import { wrongValue } from './values/check';

/**
 * The states of a task.
 *
 * ```
 * PENDING ──push──► CREATED ──pop──► RUNNING ──finish──► FINISHED
 *                    ▲    ▲            │  │
 *                    │    └─retry,─────┘  └──fail───────► FAILED
 *                    │      release
 *                    └──push (again)── FINISHED, FAILED
 * ```
 */
export const State = {
  /** Stored, but not pushed. */
  PENDING: 'PENDING',
  /** In the queue: ready, delayed or waiting for other documents. */
  CREATED: 'CREATED',
  /** Popped, under a lease. */
  RUNNING: 'RUNNING',
  FINISHED: 'FINISHED',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
} as const;
export type State = (typeof State)[keyof typeof State];

/** Names for the usual priorities. Any whole number from -100 to 100 may be used; the higher one is popped first. */
export const Priority = { LOW: 1, MEDIUM: 2, HIGH: 3 } as const;

export const MIN_PRIORITY = -100;
export const MAX_PRIORITY = 100;

export const LIVE_STATES = [State.CREATED, State.RUNNING] as const;

/** The names of the paths that the plugin adds; the plugin's option `fields` renames them. */
export interface FieldNames {
  state: string;
  priority: string;
  createdAt: string;
  category: string;
}

export const DEFAULT_FIELDS: Readonly<FieldNames> = {
  state: 'state',
  priority: 'priority',
  createdAt: 'createdAt',
  category: 'category',
};

/** Whether a value is a priority. There are only few values, because a claim takes one index seek for each value in use. */
export function isPriority(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= MIN_PRIORITY && (value as number) <= MAX_PRIORITY;
}

export function wrongPriority(name: string, value: unknown): Error {
  return wrongValue(
    name,
    `a whole number from ${MIN_PRIORITY} to ${MAX_PRIORITY}`,
    value,
    `\`${name}: Priority.HIGH\``,
  );
}
