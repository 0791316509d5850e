import { createHash } from 'node:crypto';
import { mongo } from 'mongoose';
import type { DependencyCondition } from '../declare/dependency';
import { type AnyModel, type AnySchema, type Filter, namespaceOf, optionsOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State, UNDONE_STATES } from '../fields';
import { type Clause, clausesOf, dependsOnDocument, isModel } from './clauses';
import { castCondition } from './condition';

/** A condition that tasks wait for, and the mark that documents carry while they are watched for it. */
export interface Watch {
  /** A name that differs for each dependent collection, each watched collection and each condition. */
  readonly mark: string;
  /** The model of the watched documents. */
  readonly model: AnyModel;
  readonly condition: Filter;
  /** The tasks that are woken: those that wait, or those that were failed by a dependency. */
  readonly watchers: 'waiting' | 'doomed';
}

/** The documents that a clause refers to in one model, and the conditions that decide about them. */
export interface Target {
  readonly model: AnyModel;
  /** The model whose tasks wait. */
  readonly dependent: AnyModel;
  readonly met: Filter;
  /** The condition of a failed document; null if its model is no task queue. */
  readonly failed: Filter | null;
  readonly whenMet: Watch;
  /** Null unless a failure decides too. */
  readonly whenFailed: Watch | null;
  /** Watches for documents that are no longer FAILED or CANCELLED. Null unless a failure fails the task. */
  readonly whenRevived: Watch | null;
}

/** Targets by the model referred to, never by its name: a task may hold any text, so names could fill the cache. */
const cache = new WeakMap<Clause, Map<AnyModel, Target>>();

/**
 * The target of a clause. With `refPath` the model's name comes from the task; an unknown name gives null.
 *
 * @throws {InvalidOptionError} when `ref` names no model, or a model without the plugin although the clause has no `when`.
 */
export function targetOf(model: AnyModel, clause: Clause, name?: string): Target | null {
  const targets = cache.get(clause) ?? new Map<AnyModel, Target>();
  cache.set(clause, targets);
  const [only] = clause.refPath === null ? targets.values() : [];
  if (only) return only;

  const referred = clause.refPath === null ? requireModel(model, clause) : modelNamed(model, clause, name);
  if (!referred) return null;
  const target = targets.get(referred) ?? makeTarget(model, clause, referred);
  targets.set(referred, target);
  return target;
}

/** Whether this process has the models that tasks of the model wait for: a process that only pushes tasks need not have them. */
export function knowsTargets(model: AnyModel): boolean {
  return clausesOf(model).every((clause) => clause.refPath !== null || modelsReferredTo(model, clause).length === 1);
}

/** The known targets of a clause. Those of a `refPath` are known once its schema's `enum`, or a task read by this process, names them. */
export function targetsOf(model: AnyModel, clause: Clause): Target[] {
  if (clause.refPath !== null) for (const name of clause.refNames) targetOf(model, clause, name);
  else targetOf(model, clause);

  return [...(cache.get(clause)?.values() ?? [])];
}

/**
 * The targets of a clause that no model defined later can change: models of the task's own connection, and models given as `ref`
 * themselves. Errors are left to the first pop.
 */
export function certainTargetsOf(model: AnyModel, clause: Clause): Target[] {
  const names = clause.refPath === null ? [clause.ref] : clause.refNames;
  const isCertain = (name: unknown) =>
    isModel(name) || (typeof name === 'string' && Object.hasOwn(model.db.models, name));
  try {
    return names.filter(isCertain).flatMap((name) => targetOf(model, clause, name as string) ?? []);
  } catch {
    return [];
  }
}

export function watchesOf({ whenMet, whenFailed, whenRevived }: Target): Watch[] {
  return [whenMet, whenFailed, whenRevived].filter((watch) => watch !== null);
}

function makeTarget(model: AnyModel, clause: Clause, referred: AnyModel): Target {
  const task = optionsOf(referred.schema as AnySchema);
  if (!isWaitable(clause, referred)) throw noCondition(model, clause, referred);

  const state = task?.fields.state ?? 'state';
  const met = clause.when === null ? { [state]: State.FINISHED } : conditionOf(model, clause, referred, clause.when);
  const failed = task ? { [state]: { $in: [...UNDONE_STATES] } } : null;
  const watch = (condition: Filter, watchers: Watch['watchers']) => ({
    mark: markOf(model, referred, condition, watchers),
    model: referred,
    condition,
    watchers,
  });

  return {
    model: referred,
    dependent: model,
    met,
    failed,
    whenMet: watch(met, 'waiting'),
    whenFailed: failed && clause.onFailed !== 'wait' ? watch(failed, 'waiting') : null,
    whenRevived:
      failed && clause.onFailed === 'fail' ? watch({ [state]: { $nin: [...UNDONE_STATES] } }, 'doomed') : null,
  };
}

function markOf(model: AnyModel, referred: AnyModel, condition: Filter, watchers: string): string {
  // All processes must find the same mark, and before a connection is opened its database has no name.
  const placeOf = model.db === referred.db ? ({ collection }: AnyModel) => collection.name : namespaceOf;
  // Extended JSON: plain JSON has no 64-bit numbers.
  const name = mongo.BSON.EJSON.stringify([placeOf(model), placeOf(referred), condition, watchers]);

  return createHash('sha1').update(name).digest('hex').slice(0, 10);
}

function conditionOf(model: AnyModel, clause: Clause, referred: AnyModel, when: DependencyCondition): Filter {
  try {
    return castCondition(referred, when);
  } catch (cause) {
    throw new InvalidOptionError(
      `The \`when\` of the dependency \`${clause.path}\` of ${model.modelName} does not fit ${referred.modelName}. ${(cause as Error).message}`,
      { cause },
    );
  }
}

function isWaitable({ when }: Clause, referred: AnyModel): boolean {
  return when !== null || optionsOf(referred.schema as AnySchema) !== undefined;
}

function requireModel(model: AnyModel, clause: Clause): AnyModel {
  const [referred, ...others] = modelsReferredTo(model, clause);
  if (referred && others.length === 0) return referred;

  const name = typeof clause.ref === 'string' ? clause.ref : 'what its `ref` function returns';
  throw new InvalidOptionError(
    `The dependency \`${clause.path}\` of ${model.modelName} refers to the model \`${name}\`, which ${
      referred ? 'several connections have. Pass' : 'no connection has. Define it before the first `pop()`, or pass'
    } the model itself as \`ref\`.`,
  );
}

/**
 * The model that a task's `refPath` names, if tasks can wait for its documents. The name is data: a wrong one must not stop the queue, nor
 * lead to a model of another connection that the schema does not name.
 */
function modelNamed(model: AnyModel, clause: Clause, name: unknown): AnyModel | null {
  if (typeof name !== 'string') return null;
  const isListed = clause.refNames.includes(name);
  const [found, ...others] = isListed ? findModels(model, name) : modelsIn(model.db as unknown as Linked, name);
  if (!found || others.length > 0) return null;

  return isListed || isWaitable(clause, found) ? found : null;
}

function modelsReferredTo(model: AnyModel, { path, ref }: Clause): AnyModel[] {
  if (typeof ref !== 'function' || isModel(ref)) return isModel(ref) ? [ref] : findModels(model, ref);
  let told: unknown;
  try {
    told = (ref as () => unknown)();
  } catch (cause) {
    throw dependsOnDocument(path, 'ref', cause);
  }

  return isModel(told) ? [told] : findModels(model, told);
}

/** A connection with Mongoose's links to the connections that `useDb()` made from it. */
interface Linked {
  models: Record<string, AnyModel>;
  otherDbs?: Linked[];
  _parent?: Linked;
}

// Looks for a model as `populate()` does: on the task's own connection, then on the one from which `useDb()` made it. Then on all other
// connections, where one model of that name counts.
function findModels({ db }: AnyModel, name: unknown): AnyModel[] {
  if (typeof name !== 'string') return [];
  for (let one: Linked | undefined = db as unknown as Linked; one; one = one._parent)
    if (Object.hasOwn(one.models, name)) return modelsIn(one, name);

  const connections = new Set((db.base as unknown as { connections: Linked[] }).connections).add(db as never);
  for (const { otherDbs = [] } of connections) for (const other of otherDbs) connections.add(other);
  return [...connections].flatMap((one) => modelsIn(one, name));
}

function modelsIn({ models }: Linked, name: string): AnyModel[] {
  return Object.hasOwn(models, name) ? [models[name]!] : [];
}

function noCondition(model: AnyModel, clause: Clause, referred: AnyModel): InvalidOptionError {
  return new InvalidOptionError(
    `The dependency \`${clause.path}\` of ${model.modelName} refers to ${referred.modelName}, which has no task queue, so nothing says when it is done. Write \`dependsOn: { type: '${clause.type}', when: { status: 'done' } }\`, or apply the plugin to it.`,
  );
}
