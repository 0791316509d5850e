import { isDeepStrictEqual } from 'node:util';
import { type ClientSession, Types } from 'mongoose';
import {
  type AnyDocument,
  definitionOf,
  type Filter,
  modelOf,
  type RawDocument,
  rootOf,
} from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import type { Change } from '../settle/change';
import { throwHookError } from '../settle/save';
import { dropForged } from '../settle/stage-changes';
import { writeIf } from '../settle/write';
import { type Bookkeeping, NO_TOKEN, readBookkeeping } from '../task/bookkeeping';
import { shown } from '../values/check';
import { isPlain } from '../values/writable';
import { keyOf } from '../values/id';
import { explainPush } from './input';

/** When a debounced task becomes due. */
export interface Debounce {
  readonly now: Date;
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** What a push gives to the task that it replaces. */
export interface Replacement {
  readonly task: Bookkeeping;
  readonly debounce: Debounce | null;
  /** The task before it, where there is one. A task that came in between, and does not know of it, waits for it as well. */
  readonly behind: Pick<Bookkeeping, 'behind' | 'availableAt'> | null;
}

/**
 * Gives a task that has not begun the fields of a pushed document, validated and by the schema's save hooks, in one write. Resolves to the
 * task, or to null if it has begun or changed meanwhile.
 *
 * @throws {InvalidOptionError} for a task of another kind, or of another shard.
 */
export async function replace(
  document: AnyDocument,
  front: RawDocument,
  replacement: Replacement,
  session: ClientSession | null,
): Promise<AnyDocument | null> {
  const model = modelOf(document);
  const { state } = definitionOf(model).options.fields;
  requireKind(document, front);
  requireShard(document, front);
  const stored = readBookkeeping({ ...front._task });
  const replaced = withFieldsOf(document, front);
  const isRunning = front[state] === State.RUNNING;
  const filter: Filter = {
    [state]: front[state],
    '_task.key': replacement.task.key,
    '_task.behind': isRunning ? { $exists: true } : (stored.behind ?? NO_TOKEN),
  };
  const change = { state: front[state] as State, task: renewed(stored, replacement, isRunning) };
  try {
    if (!(await writeIf(replaced, filter, change, session))) return null;
  } catch (error) {
    // The version of the document has changed since it was read.
    if (['VersionError', 'DocumentNotFoundError'].includes((error as Error).name)) return null;
    return explainPush(model)(error);
  }
  throwHookError(replaced);
  return replaced;
}

function requireKind(document: AnyDocument, front: RawDocument): void {
  const root = rootOf(modelOf(document));
  if (!root.discriminators) return;
  const path = String(root.schema.get('discriminatorKey') ?? '__t');
  const [pushed, found] = [(document.get(path) as unknown) ?? null, (front[path] as unknown) ?? null];
  if (isDeepStrictEqual(pushed, found)) return;
  throw new InvalidOptionError(
    `Expected the task with the key to be of the same kind as the pushed one, ${shown(pushed)}, but it is ${shown(found)}. Write the kind into the key, or push with \`onDuplicate: 'keep'\`.`,
  );
}

/** A write names the shard of its document, and does not move it to another. */
function requireShard(document: AnyDocument, front: RawDocument): void {
  const { modelName, schema } = modelOf(document);
  const stored = Object.keys((schema.get('shardKey') as object | undefined) ?? {}).map((path) => {
    const values = [document.get(path) as unknown, path.split('.').reduce(valueIn, front)];
    return [path, ...values.map((value) => value ?? null)] as const;
  });
  const moved = stored.find(([, pushed, found]) => keyOf(pushed) !== keyOf(found));
  if (!moved) return;
  const [path, pushed, found] = moved;
  throw new InvalidOptionError(
    `Expected the ${modelName} with the key to have the same shard key \`${path}\` as the pushed one, but it has ${shown(found)} and the pushed one ${shown(pushed)}. Write the shard key into the key.`,
  );
}

function valueIn(value: unknown, name: string): unknown {
  return isPlain(value) ? value[name] : undefined;
}

/** The stored task with the values of the pushed document, all of them to be written: what another push has written since does not stay. */
function withFieldsOf(document: AnyDocument, front: RawDocument): AnyDocument {
  const model = modelOf(document);
  const { fields } = definitionOf(model).options;
  dropForged(document);
  const timestamps = model.schema.get('timestamps') as boolean | { createdAt?: unknown } | undefined;
  const { createdAt: created = true } =
    typeof timestamps === 'object' ? timestamps : { createdAt: Boolean(timestamps) };
  const own = [
    '_id',
    '_task',
    fields.state,
    fields.createdAt,
    model.schema.get('versionKey'),
    created === true ? 'createdAt' : created,
  ];
  const kept = new Set(own.map(String));
  const pushed = document.toBSON() as RawDocument;
  const raw: RawDocument = { ...pushed };
  for (const path of kept) keep(path.split('.'), raw, front);
  raw['_task'] = { ...front['_task'] };

  const replaced = model.hydrate(raw) as AnyDocument;
  const paths = Object.keys(model.schema.paths).map((path) => path.split('.')[0]!);
  for (const name of new Set([...Object.keys(front), ...Object.keys(pushed), ...paths]))
    if (!kept.has(name)) replaced.markModified(name);

  return replaced;
}

/** Gives a raw document the value that another one has at a path, if it has one. */
function keep([name, ...rest]: readonly string[], raw: RawDocument, from: RawDocument): void {
  if (name === undefined || !(name in from)) return;
  if (rest.length === 0) raw[name] = from[name];
  else if (isPlain(from[name]))
    keep(rest, (raw[name] = { ...(raw[name] as object) } as RawDocument), from[name] as RawDocument);
}

function renewed(stored: Bookkeeping, { task, debounce, behind }: Replacement, isRunning: boolean): Change['task'] {
  const { waitingOn, attempts = 0 } = stored;
  const isUntouched = !isRunning && attempts === 0;
  const { schedule, startBy, throttledUntil, trace } = task;
  const isRescheduled = schedule !== undefined && !isDeepStrictEqual(schedule, stored.schedule);
  const due = debounce ? dueOf(stored, debounce) : isRescheduled && isUntouched ? task.dueAt! : stored.dueAt;
  const isMoved = due !== undefined && (debounce !== null || (isRescheduled && isUntouched));
  const isBehind = stored.behind !== undefined && stored.availableAt && due && stored.availableAt > due;

  return {
    // The holder of one that is looked at keeps it: it must know the token, and the lease.
    ...(!isRunning && { attempts: undefined, token: new Types.ObjectId() }),
    ...(isRescheduled && { schedule, expiresFrom: undefined }),
    ...(startBy && { startBy }),
    ...(throttledUntil && { throttledUntil }),
    ...(trace && { trace }),
    ...(isMoved && { dueAt: due, ...(stored.expiresFrom && !isRescheduled && { expiresFrom: due }) }),
    ...(isMoved && !isRunning && !isBehind && { availableAt: due }),
    ...(debounce && { firstPushAt: stored.firstPushAt ?? debounce.now }),
    ...(behind && !isRunning && stored.behind === undefined && later(behind, due)),
    // By its new references it is judged by the next pop.
    ...(waitingOn && { waitingOn: undefined, recheckAt: undefined, availableAt: due }),
  };
}

function later({ behind, availableAt }: NonNullable<Replacement['behind']>, due: Date | undefined): Change['task'] {
  return { behind, availableAt: due && availableAt && due > availableAt ? due : availableAt };
}

function dueOf({ firstPushAt }: Bookkeeping, { now, delayMs, maxDelayMs }: Debounce): Date {
  return new Date(Math.min(now.getTime() + delayMs, (firstPushAt ?? now).getTime() + maxDelayMs));
}
