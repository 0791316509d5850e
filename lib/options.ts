import { type Backoff, defaultBackoff } from './backoff';
import { resolveDependency } from './declare/check-dependency';
import { isClass } from './declare/decorator';
import type { Dependency, DependencyDeclaration } from './declare/dependency';
import { DEFAULT_FIELDS, type FieldNames } from './fields';
import { COPY } from './mongoose';
import { requireRetention, type Retention } from './retention';
import {
  MAX_TIMER_MS,
  refuseUnknown,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireObject,
  requireText,
  wrongValue,
} from './values/check';

/** Options of the plugin. They are checked when it is applied: a mistake throws `InvalidOptionError` there. */
export interface TaskQueueOptions {
  /**
   * How long a task is kept, in seconds from the later of its push and its due time; then a TTL index deletes it. `false` keeps tasks for
   * ever. Documents that were never pushed are never deleted. Default: 86 400 (24 hours), but `false` for a model that keeps a `createdAt`
   * of its own (a path of that name, or `timestamps`).
   *
   * Different times for tasks that ended, from their ends, and for those that have not: `{ finished: 3_600, failed: 604_800 }`. A task
   * that others still wait for is kept a day longer.
   */
  expireAfterSeconds?: number | false | Retention;

  /** How long a claim holds its task, in milliseconds, unless the lease is renewed. Default: 300 000 (five minutes). */
  leaseMs?: number;

  /** How many attempts a task has before it fails for good. A crash counts as an attempt. Default: 3. */
  maxAttempts?: number;

  /** How long `retry()` waits without a `delayMs`. Default: `exponential({ minMs: 1_000, maxMs: 3_600_000 })`. */
  backoff?: Backoff;

  /**
   * How long a task that waits for documents is left alone before it is judged again without a wake, in milliseconds; the time grows with
   * the time the task has waited, up to an hour. It matters only after a crash between two writes, or when a dependency is deleted.
   * Default: 30 000.
   */
  recheckMs?: number;

  /**
   * How long the holder of a task that is cancelled may still finish it, in milliseconds: `cancel()` shortens the lease to that. From 0.
   * Default: 10 000.
   */
  cancelGraceMs?: number;

  /** Whether tasks have a `category` by which they can be popped. Default: `false`. */
  category?: boolean;

  /**
   * Paths with references to documents that the task waits for: `{ source: 'DIRECT' }`, or with options
   * `{ parts: { type: 'ALL_OF', onFailed: 'fail' } }`. Equivalent to `dependsOn` on the path or `@DependsOn` in the class. Default: none.
   */
  dependencies?: Record<string, DependencyDeclaration>;

  /** The class with the `@DependsOn` fields, for a schema that was not made by `loadClass()` or Typegoose, as in NestJS. Default: none. */
  class?: abstract new (...args: never[]) => unknown;

  /**
   * Whether workers write down, once in 20 seconds, that they live and what they did: for `history()`, `workers()` and the last hour of
   * `stats()`. Default: `true`.
   */
  history?: boolean;

  /** How long the history is kept, in seconds, from 60 on. Default: 172 800 (two days). */
  historySeconds?: number;

  /** Other names for the paths the plugin adds, if the schema has one of them: `{ state: 'taskState' }`. Default: none. */
  fields?: Partial<FieldNames>;

  /**
   * Whether the plugin adds statics to the model and methods to its documents. With `false` use the verbs as functions: `pop(Model)`,
   * `finish(task)`. Default: `true`.
   */
  bind?: boolean;
}

export interface ResolvedOptions {
  readonly expireAfterSeconds: number | false | Retention | undefined;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly backoff: Backoff;
  readonly recheckMs: number;
  readonly cancelGraceMs: number;
  readonly category: boolean;
  readonly dependencies: Readonly<Record<string, Dependency>>;
  readonly class: TaskQueueOptions['class'] | null;
  readonly history: boolean;
  readonly historySeconds: number;
  readonly fields: Readonly<FieldNames>;
  readonly bind: boolean;
  /** The copy of this package whose plugin was applied. */
  readonly copy: symbol;
}

const KNOWN = [
  'expireAfterSeconds',
  'leaseMs',
  'maxAttempts',
  'backoff',
  'recheckMs',
  'cancelGraceMs',
  'category',
  'dependencies',
  'class',
  'history',
  'historySeconds',
  'fields',
  'bind',
];

export function resolveOptions(options: TaskQueueOptions = {}): ResolvedOptions {
  requireObject('options', options, '`taskQueue(schema, { leaseMs: 60_000 })`');
  refuseUnknown(options, KNOWN, 'taskQueue()');
  const {
    expireAfterSeconds,
    leaseMs = 300_000,
    maxAttempts = 3,
    backoff = defaultBackoff,
    recheckMs = 30_000,
    cancelGraceMs = 10_000,
    category = false,
    dependencies = {},
    class: type = null,
    history = true,
    historySeconds = 172_800,
    fields = {},
    bind = true,
  } = options;

  if (expireAfterSeconds !== undefined) requireRetention(expireAfterSeconds);
  requireLease(leaseMs);
  requireInteger('maxAttempts', maxAttempts, 1, 1_000_000, '', '`maxAttempts: 3`');
  requireFunction('backoff', backoff, '`backoff: exponential({ minMs: 1_000, maxMs: 60_000 })`');
  requireInteger('recheckMs', recheckMs, 1, MAX_TIMER_MS, 'milliseconds', '`recheckMs: 30_000`');
  requireInteger('cancelGraceMs', cancelGraceMs, 0, MAX_TIMER_MS, 'milliseconds', '`cancelGraceMs: 10_000`');
  requireBoolean('category', category);
  if (type !== null && !isClass(type)) throw wrongValue('class', 'a class', type, '`class: Mail`');
  requireBoolean('bind', bind);
  requireBoolean('history', history);
  requireInteger('historySeconds', historySeconds, 60, 2 ** 31 - 1, 'seconds', '`historySeconds: 172_800`');

  return {
    expireAfterSeconds,
    leaseMs,
    maxAttempts,
    backoff,
    recheckMs,
    cancelGraceMs,
    category,
    dependencies: resolveDependencies(dependencies),
    class: type,
    history,
    historySeconds,
    fields: resolveFields(fields),
    bind,
    copy: COPY,
  };
}

export function requireLease(leaseMs: unknown): void {
  requireInteger('leaseMs', leaseMs, 1, MAX_TIMER_MS, 'milliseconds', '`leaseMs: 300_000`');
}

function resolveDependencies(dependencies: unknown): Record<string, Dependency> {
  requireObject('dependencies', dependencies, "`dependencies: { source: 'DIRECT' }`");
  const entries = Object.entries(dependencies as object) as [string, unknown][];

  return Object.fromEntries(entries.map(([path, declared]) => [path, resolveDependency(path, declared)]));
}

function resolveFields(fields: Partial<FieldNames>): FieldNames {
  requireObject('fields', fields, "`fields: { state: 'taskState' }`");
  refuseUnknown(fields, Object.keys(DEFAULT_FIELDS), '`fields`');
  const resolved = { ...DEFAULT_FIELDS };

  for (const [name, path] of Object.entries(fields) as [keyof FieldNames, string | undefined][]) {
    if (path === undefined) continue;
    requireText(`fields.${name}`, path, `\`fields: { ${name}: 'task_${name}' }\``);
    // The queue reads raw documents by these names, and `$` and `.` have a meaning of their own in updates.
    if (/[.$]/.test(path) || path.startsWith('_task')) {
      throw wrongValue(
        `fields.${name}`,
        'a path without `.` and `$` that does not start with `_task`',
        path,
        `\`fields: { ${name}: 'task_${name}' }\``,
      );
    }
    resolved[name] = path;
  }
  if (new Set(Object.values(resolved)).size < Object.keys(resolved).length) {
    throw wrongValue('fields', 'names that differ from each other', fields, "`fields: { state: 'taskState' }`");
  }

  return resolved;
}
