import type { IncomingMessage } from 'node:http';
import { InvalidOptionError } from '../errors';
import { View, type ViewOptions } from '../inspect/view';
import { refuseUnknown, requireBoolean, requireFunction, requireText, shown } from '../values/check';
import type { Action } from './api';

/** What was done by the dashboard, for a log of who did what. */
export interface AuditEntry {
  /** What was done. */
  action: Action;
  /** The name of the model. */
  model: string;
  /** The request as it was given to `fetch()` or `node()`: it tells who. */
  request: IncomingMessage | Request;
  /** The tasks that were named, as Extended JSON. */
  ids?: readonly string[];
  /** The search that they matched. */
  filter?: {
    /** The state, or `ready`, `delayed` or `blocked`. */
    state?: string;
    /** The query words, or JSON. */
    q?: string;
  };
  /** Of an edit: the paths that were set. The values are left out, because they may be secret. */
  paths?: readonly string[];
  /** What was given as the reason. */
  reason?: string;
  /** How many tasks were changed; 1 for a whole queue. */
  done: number;
  /** How many of them stayed as they were. */
  skipped: number;
  /** Why it stopped half way, if it did: then more may have been changed than `done`. */
  error?: string;
}

/** Options of `dashboard()`. They are checked at once: a mistake throws `InvalidOptionError`. */
export interface DashboardOptions extends ViewOptions {
  /**
   * Whether somebody may do something with a model, asked for each request, model and action; `'view'` is to read anything. It gets the
   * request as it came: with `node()` what the framework made of it, so `request.user` may be there. Only `true` allows.
   *
   * Without it the dashboard answers programs of the same machine alone: those that `node()` sees on a loopback address, under a loopback
   * name, and not sent on by a proxy. `fetch()` sees no address, so it refuses all. `'everyone'` allows all: for a server
   * that only those can reach who may do all of it.
   */
  authorize?: Authorize | 'everyone' | undefined;

  /** Whether nothing can be changed: every write is answered 405. Default: `false`. */
  readOnly?: boolean | undefined;

  /**
   * Origins besides the dashboard's own whose pages may write, as `'https://admin.example.org'`: for a proxy that hides under which name it
   * is called. Default: none.
   */
  allowedOrigins?: readonly string[] | undefined;

  /** Called after each write. It is not waited for, and what it throws becomes a process warning. Default: none. */
  audit?: ((entry: AuditEntry) => unknown) | undefined;

  /** The title of the page, for example the name of the environment. Default: `'Task queues'`. */
  title?: string | undefined;
}

// A method's parameter may be declared narrower, as the request of a framework.
interface WithAuthorize {
  authorize(request: IncomingMessage | Request, action: Action, model: string): unknown;
}

/** See `DashboardOptions.authorize`. Its request may be declared as what the framework gives. */
export type Authorize = WithAuthorize['authorize'];

export interface ResolvedDashboard {
  readonly view: View;
  readonly authorize: Authorize | 'everyone' | null;
  readonly readOnly: boolean;
  readonly allowedOrigins: readonly string[];
  readonly audit: ((entry: AuditEntry) => unknown) | null;
  readonly title: string;
}

const KNOWN = ['models', 'authorize', 'readOnly', 'hide', 'format', 'allowedOrigins', 'audit', 'title'];

/** @throws {InvalidOptionError} */
export function resolveDashboard(options: DashboardOptions): ResolvedDashboard {
  refuseUnknown(options, KNOWN, 'dashboard()');
  const { authorize = null, readOnly = false, allowedOrigins = [], audit = null, title = 'Task queues' } = options;
  if (authorize !== null && authorize !== 'everyone')
    requireFunction(
      'authorize',
      authorize,
      "`authorize: (request) => request.user?.isAdmin === true`, or `'everyone'`",
    );
  requireBoolean('readOnly', readOnly);
  if (audit !== null) requireFunction('audit', audit, '`audit: (entry) => log.info(entry)`');
  requireText('title', title, "`title: 'Production'`");
  checkOrigins(allowedOrigins);
  const { models, hide, format } = options;

  return { view: new View({ models, hide, format }), authorize, readOnly, allowedOrigins, audit, title };
}

function checkOrigins(origins: unknown): void {
  const list = Array.isArray(origins) ? (origins as unknown[]) : [origins];
  const wrong = list.find((one) => typeof one !== 'string' || originOf(one) !== one);
  if (wrong === undefined && Array.isArray(origins)) return;
  throw new InvalidOptionError(
    `Expected \`allowedOrigins\` to be an array of origins, got ${shown(wrong ?? origins)}. Write for example \`['https://admin.example.org']\`.`,
  );
}

function originOf(text: string): string | null {
  return URL.canParse(text) ? new URL(text).origin : null;
}
