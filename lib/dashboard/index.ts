/** The door of `mongoose-task-queue/dashboard`: nothing of it is loaded by the main one. */
export { dashboard, type Dashboard } from './dashboard';
export type { AuditEntry, Authorize, DashboardOptions } from './options';
export type { Formatter, ViewOptions } from '../inspect/view';
export type {
  About,
  AboutModel,
  Act,
  Acted,
  Action,
  ApiError,
  Change,
  Count,
  Graph,
  History,
  Matched,
  Overview,
  Problem,
  QueueSummary,
  ScheduleRow,
  Schedules,
  Target,
  TaskDetails,
  TaskPage,
  TaskRow,
  WorkerRow,
  Workers,
} from './api';
