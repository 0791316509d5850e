import { createHash } from 'node:crypto';
import { namespaceOf, optionsOf, type AnyModel, type AnySchema, type Filter } from '../definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { castCondition } from './condition';
import type { Clause } from './clauses';

/** Something about a document that a task waits for, and the mark that a document carries while it is watched for it. */
export interface Watch {
  /** Names who watches for what: it differs for each dependent collection and each condition. */
  readonly mark: string;
  /** The model of the watched documents. */
  readonly model: AnyModel;
  readonly condition: Filter;
  /** What its watchers are: tasks that wait, or tasks that were failed by a dependency. */
  readonly watchers: 'waiting' | 'doomed';
}

/** The documents that a clause looks at and what decides about them. */
export interface Target {
  readonly model: AnyModel;
  readonly met: Filter;
  /** When a document has failed; null where it cannot. */
  readonly failed: Filter | null;
  readonly whenMet: Watch;
  /** Where a failure decides as well. */
  readonly whenFailed: Watch | null;
  /** Where tasks are failed by it: it is no longer failed. */
  readonly whenRevived: Watch | null;
}

const cache = new WeakMap<AnyModel, Map<string, Target | null>>();

/**
 * The target of a clause. With `refPath` the name comes from the task, and an unknown one gives null.
 *
 * @throws {InvalidOptionError} when `ref` names no model, or one whose documents have no way of being done.
 */
export function targetOf(model: AnyModel, clause: Clause, name?: string): Target | null {
  const targets = cache.get(model) ?? new Map<string, Target | null>();
  cache.set(model, targets);
  const cacheKey = `${clause.path}:${name ?? ''}`;
  const known = targets.get(cacheKey);
  if (known) return known;

  const referred = clause.refPath === null ? requireModel(model, clause) : findModel(model, name);
  const target = referred && makeTarget(model, clause, referred);
  targets.set(cacheKey, target);
  return target;
}

/** All targets of a clause that are known: those of a `refPath` as far as its schema or this process has named them. */
export function targetsOf(model: AnyModel, clause: Clause): Target[] {
  if (clause.refPath !== null) for (const name of clause.refNames) targetOf(model, clause, name);
  else targetOf(model, clause);

  return [...(cache.get(model) ?? [])]
    .filter(([key, target]) => target && key.startsWith(`${clause.path}:`))
    .map(([, target]) => target!);
}

export function watchesOf({ whenMet, whenFailed, whenRevived }: Target): Watch[] {
  return [whenMet, whenFailed, whenRevived].filter((watch) => watch !== null);
}

function makeTarget(model: AnyModel, clause: Clause, referred: AnyModel): Target {
  const task = optionsOf(referred.schema as AnySchema);
  if (!task && clause.when === null) throw noCondition(model, clause, referred);

  const state = task?.fields.state ?? 'state';
  const met = clause.when === null ? { [state]: State.FINISHED } : castCondition(referred, clause.when);
  const failed = task ? { [state]: State.FAILED } : null;
  const watch = (condition: Filter, watchers: Watch['watchers']) => ({
    mark: markOf(model, condition, watchers),
    model: referred,
    condition,
    watchers,
  });

  return {
    model: referred,
    met,
    failed,
    whenMet: watch(met, 'waiting'),
    whenFailed: failed && clause.onFailed !== 'wait' ? watch(failed, 'waiting') : null,
    whenRevived: failed && clause.onFailed === 'fail' ? watch({ [state]: { $ne: State.FAILED } }, 'doomed') : null,
  };
}

function markOf(model: AnyModel, condition: Filter, watchers: string): string {
  const name = JSON.stringify([namespaceOf(model), condition, watchers]);

  return createHash('sha1').update(name).digest('hex').slice(0, 10);
}

function requireModel(model: AnyModel, clause: Clause): AnyModel {
  const referred = isModel(clause.ref)
    ? clause.ref
    : findModel(model, typeof clause.ref === 'function' ? undefined : clause.ref);
  if (referred) return referred;

  throw new InvalidOptionError(
    `The dependency \`${clause.path}\` of ${model.modelName} refers to the model \`${String(clause.ref)}\`, which no connection has. Define it before the first \`pop()\`, or pass the model itself as \`ref\`.`,
  );
}

// The task's own connection first; a model of that name on one other connection is meant as well.
function findModel(model: AnyModel, name: unknown): AnyModel | null {
  if (typeof name !== 'string') return null;
  const own = model.db.models[name] as AnyModel | undefined;
  if (own) return own;

  const others = (model.db.base as { connections: { models: Record<string, AnyModel> }[] }).connections.flatMap(
    ({ models }) => models[name] ?? [],
  );
  return others.length === 1 ? others[0]! : null;
}

function isModel(value: unknown): value is AnyModel {
  return typeof value === 'function' && 'modelName' in value && 'schema' in value;
}

function noCondition(model: AnyModel, clause: Clause, referred: AnyModel): InvalidOptionError {
  return new InvalidOptionError(
    `The dependency \`${clause.path}\` of ${model.modelName} refers to ${referred.modelName}, which has no task queue, so nothing says when it is done. Write \`dependsOn: { type: '${clause.type}', when: { status: 'done' } }\`, or apply the plugin to it.`,
  );
}
