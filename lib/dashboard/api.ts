/**
 * What the page and the server say to each other, all as JSON. Types only, because browsers read them too. Beside what is here:
 *
 * | asked | answered |
 * | --- | --- |
 * | GET api/tasks?model=&state=&q=&sort=&after=&limit= | `TaskPage` |
 * | GET api/task?model=&id= | `TaskDetails` |
 * | GET api/graph?model=&id= | `Graph` |
 * | GET api/events | server-sent events: `change` with `Change`, at most one a second |
 */
import type { Action, HistoryRow, Problem, QueueSummary, ScheduleRow, WorkerRow } from '../inspect/answers';

export type * from '../inspect/answers';

/** The body of every answer whose status is not 2xx. */
export interface ApiError {
  error: { code: string; message: string };
}

/** GET api/about */
export interface About {
  title: string;
  readOnly: boolean;
  version: string;
  now: string;
  models: AboutModel[];
}

export interface AboutModel {
  name: string;
  collection: string;
  /** The base model of a discriminator kind. */
  kindOf: string | null;
  categories: string[] | null;
  fields: { path: string; type: string; indexed: boolean }[];
  /** What this person may do. */
  actions: Action[];
}

/** GET api/overview */
export interface Overview {
  now: string;
  problems: Problem[];
  queues: QueueSummary[];
}

/** GET api/schedules?model= */
export interface Schedules {
  rows: ScheduleRow[];
}

/** GET api/workers */
export interface Workers {
  rows: WorkerRow[];
}

/** GET api/history?model=&minutes= */
export interface History {
  rows: HistoryRow[];
}

/** The data of an event `change`. */
export interface Change {
  models: string[];
}

/**
 * The tasks that are meant: those with these ids, or all that `api/tasks` lists for the same state and words; with both, those of the ids
 * that are in that list.
 */
export interface Target {
  action: Action;
  model: string;
  ids?: string[];
  state?: string;
  q?: string;
}

/** POST api/count takes a `Target` and answers this. `more`: counting stopped at 10 000, or took too long. */
export interface Matched {
  matched: number;
  more: boolean;
}

/** POST api/act */
export interface Act extends Target {
  /** Of `edit`: the new values by path, as Extended JSON. */
  set?: Record<string, unknown>;
  /** Of `cancel` and `pause`. */
  reason?: string;
  /** Of `retry` and `requeue`. */
  delayMs?: number;
  /** Of `pause` and `resume`: only this category. */
  category?: string;
  /** At most so many. Default and most: 10 000. */
  limit?: number;
}

/** What POST api/act answers. `more`: there are more that match; the same request goes on with them. */
export interface Acted {
  done: number;
  skipped: { id: string; label: string; reason: string }[];
  more: boolean;
}
