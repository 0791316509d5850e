import { type AnyModel, type AnySchema, definitionOf, type RawDocument } from '../definition/definition';
import { valueAt } from '../dependencies/condition';
import { State } from '../fields';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { isPlain } from '../values/writable';
import type { TaskRow } from './answers';
import type { Holders } from './crew';
import { summaryPaths } from './fields';
import { idText, labelOf } from './ids';
import { inLine, isoOf, Shower } from './shown';
import type { View } from './view';

const MAX_VALUE = 60;
const MAX_SUMMARY = 200;
const MAX_REASON = 300;
/** A longer text is not read for a list. */
const MAX_READ = 2_000;
/** So many documents that a task waits for are read for a list. */
const MAX_WAITED = 100;

const READ = [
  'availableAt',
  'dueAt',
  'settledAt',
  'startedAt',
  'attempts',
  'cancel',
  'key',
  'schedule',
  'lastRun',
  'token',
  'behind',
];

/** What is read of a task for its row: not all of a document that may be large. */
export function rowProjection(view: View, model: AnyModel): Record<string, 0 | 1 | object> {
  const { fields } = definitionOf(model).options;
  const lists = { '_task.errors': { $slice: -1 }, '_task.waitingOn': { $slice: MAX_WAITED + 1 } };
  const paths = summaryPaths(view, model);
  // A model without paths of its own shows whatever there is.
  if (paths.length === 0 && isFree(model)) return lists;
  const kindKey = (model.schema as AnySchema & { discriminatorMapping?: { key: string } }).discriminatorMapping?.key;
  const whole = [...Object.values(fields), ...READ.map((name) => `_task.${name}`), ...(kindKey ? [kindKey] : [])];

  return {
    ...Object.fromEntries(whole.map((path) => [path, 1 as const])),
    ...lists,
    ...Object.fromEntries(paths.map((path) => [path, shortened(path)])),
  };
}

/** A task as it is listed. */
export function rowOf(view: View, model: AnyModel, raw: RawDocument, holders: Holders = new Map()): TaskRow {
  const { fields } = definitionOf(model).options;
  const task = readBookkeeping({ ...(raw['_task'] as Bookkeeping) });
  const shown = (path: string) => (view.isHidden(model, path) ? undefined : (raw[path] as unknown));
  const state = typeof raw[fields.state] === 'string' ? (raw[fields.state] as string) : State.PENDING;
  const isWaiting = state === State.CREATED || state === State.RUNNING;

  return {
    id: idText(raw._id),
    label: labelOf(raw._id),
    state,
    priority: Number(shown(fields.priority) ?? 0),
    category: categoryOf(model, shown),
    createdAt: isoOf(shown(fields.createdAt)),
    dueAt: isoOf(task.dueAt),
    settledAt: isWaiting ? null : isoOf(task.settledAt),
    attempts: task.attempts ?? 0,
    summary: summaryOf(view, model, raw),
    reason: reasonOf(state, task),
    holder: (state === State.RUNNING && holders.get(task.token?.toHexString() ?? '')) || null,
  };
}

function categoryOf(model: AnyModel, shown: (path: string) => unknown): string | null {
  const { category, fields } = definitionOf(model).options;
  const value = category ? shown(fields.category) : null;

  return typeof value === 'string' ? value : null;
}

function summaryOf(view: View, model: AnyModel, raw: RawDocument): string {
  const shower = new Shower(view, model);
  const given = summaryPaths(view, model);
  const paths = given.length > 0 || !isFree(model) ? given : simplePaths(view, model, raw);
  const parts = paths.flatMap((path) => {
    const value = valueAt(raw, path);
    return value === undefined || value === null ? [] : [`${path}: ${inLine(shower.value(value, path), MAX_VALUE)}`];
  });

  return inLine(parts.join(', '), MAX_SUMMARY);
}

/** Of a document without a schema: the first fields with a single value. */
function simplePaths(view: View, model: AnyModel, raw: RawDocument): string[] {
  const ours = new Set(['_id', '_task', '__v', ...Object.values(definitionOf(model).options.fields)]);
  const isShown = ([name, value]: [string, unknown]) =>
    !ours.has(name) && !view.isHidden(model, name) && !Array.isArray(value) && !isPlain(value);

  return Object.entries(raw)
    .filter(isShown)
    .slice(0, 3)
    .map(([name]) => name);
}

function reasonOf(state: string, { errors, cancel, waitingOn, behind, attempts = 0 }: Bookkeeping): string | null {
  if (state === State.CANCELLED) return inLine(cancel?.reason ?? 'cancelled', MAX_REASON);
  if (waitingOn && state === State.CREATED) return waitsFor(waitingOn.length);
  if (behind && state === State.CREATED) return 'waits for the task before it of its key';
  const last = errors?.at(-1);
  if (!last || (state !== State.FAILED && attempts === 0)) return null;

  return inLine(last.message, MAX_REASON);
}

function waitsFor(count: number): string {
  return `waits for ${count > MAX_WAITED ? `more than ${MAX_WAITED}` : count} document${count === 1 ? '' : 's'}`;
}

function isFree(model: AnyModel): boolean {
  return model.schema.get('strict') === false;
}

/** A text that is not too long; any other value as it is. */
function shortened(path: string): object {
  const isText = { $eq: [{ $type: `$${path}` }, 'string'] };
  const isLong = { $gt: [{ $strLenBytes: `$${path}` }, MAX_READ] };

  return { $cond: [isText, { $cond: [isLong, { $literal: '[a long text]' }, `$${path}`] }, `$${path}`] };
}
