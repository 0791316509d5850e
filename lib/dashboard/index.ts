/**
 * The door of `mongoose-task-queue/dashboard`.
 *
 * The main door loads nothing of it, so that it costs nothing to those who do not use it.
 *
 * What the JSON of its answers is like is told in docs/dashboard.md; those types may grow with each
 * version, and are no part of what is exported.
 */

export type { Action } from '../inspect/answers';
export type { Formatter, ViewOptions } from '../inspect/view';
export { dashboard, type Dashboard } from './dashboard';
export type { AuditEntry, Authorize, DashboardOptions } from './options';
