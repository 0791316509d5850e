/**
 * What can be seen of queues, in the form in which it is shown or sent: ids as canonical Extended JSON, dates as ISO texts, values as
 * relaxed Extended JSON. Nothing is imported here, because browsers read it too.
 */

/** What a person may do with a model. `'view'` is to read anything of it. */
export type Action =
  'view' | 'retry' | 'cancel' | 'delete' | 'requeue' | 'run' | 'edit' | 'pause' | 'resume' | 'unschedule';

export type ProblemKind = 'failed' | 'late' | 'nobody' | 'stuck-schedule' | 'full' | 'paused' | 'index';

export interface Problem {
  kind: ProblemKind;
  model: string;
  text: string;
  count: number | null;
  since: string | null;
  /** Where the page shows it: what comes after `#/`. */
  route: string;
}

/** Counts stop at 10 000. With `error` the model could not be read, and its numbers are 0. */
export interface QueueSummary {
  model: string;
  created: number;
  running: number;
  ready: number;
  delayed: number;
  blocked: number;
  failed: number;
  cancelled: number;
  oldestReadyAgeMs: number | null;
  /** The whole queue, not only a category. */
  paused: boolean;
  finishedLastHour: number;
  failedLastHour: number;
  workers: number;
  /** The last 60 minutes, oldest first. Minutes in which nothing ended are left out. */
  spark: { at: string; finished: number; failed: number }[];
  error?: string;
}

export interface TaskRow {
  id: string;
  label: string;
  state: string;
  priority: number;
  category: string | null;
  createdAt: string | null;
  dueAt: string | null;
  settledAt: string | null;
  attempts: number;
  /** The first fields as text. */
  summary: string;
  /** The last failure, why it was cancelled, or what it waits for. */
  reason: string | null;
  holder: string | null;
}

/** `more`: there are more, but counting stopped at 10 000, or took too long. */
export interface Count {
  value: number;
  more: boolean;
}

/** A part of a list of tasks. */
export interface TaskPage {
  rows: TaskRow[];
  /** The `after` of the next page. */
  next: string | null;
  count: Count;
  plan: { index: string | null; warning: string | null };
}

export interface LifeEvent {
  at: string;
  kind: 'pushed' | 'due' | 'claimed' | 'failed' | 'progress' | 'settled' | 'cancelled' | 'snoozed';
  text: string;
  /** A stack. */
  detail?: string;
  by?: string;
}

export interface Failure {
  at: string | null;
  attempt: number | null;
  name: string | null;
  message: string;
  stack: string | null;
}

/** What a task waits for; `id` and `model` where it is a document that can be opened. */
export interface Blocker {
  text: string;
  model: string | null;
  id: string | null;
  state: string | null;
}

/** All that is known of one task. */
export interface TaskDetails {
  row: TaskRow;
  fields: Record<string, unknown>;
  /** Paths that `edit` takes, if the task does not run. */
  editable: string[];
  life: LifeEvent[];
  failures: Failure[];
  progress: unknown;
  schedule: { text: string; timeZone: string | null; next: string[] } | null;
  key: string | null;
  lease: { until: string; holder: string | null } | null;
  blockedBy: Blocker[];
  /** What this person may do with the task in its state. */
  actions: Action[];
}

export interface GraphNode {
  key: string;
  model: string;
  id: string;
  label: string;
  state: string | null;
  /** Whether it is a task that the dashboard shows. */
  task: boolean;
  exists: boolean;
}

export interface GraphEdge {
  /** The key of the node that waits. */
  from: string;
  /** The key of the node it waits for. */
  to: string;
  path: string;
  type: 'DIRECT' | 'ALL_OF' | 'ANY_OF';
  /** Whether it still keeps `from` back. */
  holds: boolean;
  reason: string;
}

/** What a task waits for and what waits for it. */
export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** The keys of tasks that wait for each other. */
  cycle: string[] | null;
  /** There is more than is shown. */
  cut: boolean;
}

export interface ScheduleRow {
  model: string;
  id: string;
  label: string;
  key: string | null;
  text: string;
  timeZone: string | null;
  next: string[];
  state: string;
  lastResult: string | null;
  lastAt: string | null;
  overdue: boolean;
}

export interface WorkerRow {
  id: string;
  host: string;
  pid: number;
  models: string[];
  concurrency: number;
  /** Handlers that run. */
  running: number;
  held: number;
  since: string;
  beat: string;
  /** Its last beat is late. */
  silent: boolean;
  tasks: { model: string; id: string; label: string; since: string | null; leaseUntil: string }[];
}

export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

export interface HistoryRow {
  at: string;
  finished: number;
  failed: number;
  retried: number;
  cancelled: number;
  waitMs: Percentiles | null;
  runMs: Percentiles | null;
}
