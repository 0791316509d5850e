import type { AnyDocument, AnyModel, RawDocument } from '../definition/definition';
import { only, read } from '../server/read';
import { Turns } from '../turns';
import { keyOf } from '../values/id';
import { castReference, type Reference } from './cast';
import { type Clause, clausesOf } from './clauses';
import { meets, valueAt } from './condition';
import { certainTargetsOf, type Target, targetOf, targetsOf, type Watch, watchesOf } from './targets';
import type { Awaited, Judged, Standing } from './verdict';

/** The references of one clause of a task. */
export interface References {
  readonly clause: Clause;
  /** Null when `refPath` names no model: then every reference counts as missing. */
  readonly target: Target | null;
  readonly given: readonly Reference[];
}

/** Reads a value of a task by its path, whether the task is raw or a document. */
export type Reader = (path: string) => unknown;

/** Whether tasks of the model, or of one of its kinds, may have to wait. */
export function hasDependencies(model: AnyModel): boolean {
  if (clausesOf(model).length > 0) return true;

  return model.discriminators ? modelsOf(model).some((one) => clausesOf(one).length > 0) : false;
}

/** All paths that decide whether tasks of the model are ready. */
export function dependencyPaths(model: AnyModel): string[] {
  const clauses = modelsOf(model).flatMap(clausesOf);

  return [...new Set(clauses.flatMap(({ path, refPath }) => (refPath === null ? [path] : [path, refPath])))];
}

/** All watches that the tasks of the model may need. @throws {InvalidOptionError} for a reference to a missing model. */
export function watchesFor(model: AnyModel): Watch[] {
  return watchesBy(targetsOf, model);
}

/** The watches of the model's tasks that no model defined later can change. */
export function certainWatchesFor(model: AnyModel): Watch[] {
  return watchesBy(certainTargetsOf, model);
}

function watchesBy(read: typeof targetsOf, model: AnyModel): Watch[] {
  const watches = modelsOf(model).flatMap((one) =>
    clausesOf(one).flatMap((clause) => read(one, clause).flatMap(watchesOf)),
  );
  const isSame = (one: Watch, other: Watch) =>
    one.mark === other.mark && one.model.collection === other.model.collection;

  return watches.filter((watch, index) => watches.findIndex((other) => isSame(watch, other)) === index);
}

export function referencesOfRaw(model: AnyModel, task: RawDocument): References[] {
  return referencesOf(kindOf(model, task), (path) => valueAt(task, path));
}

export function referencesOfDocument(task: AnyDocument): References[] {
  return referencesOf(task.constructor as AnyModel, (path) => task.get(path, null, { getters: false }) as unknown);
}

/** Documents that are read at once: what the driver makes of an answer, it makes in one turn of the event loop. */
const PART = 1_000;

/** Reads how the referenced documents of many tasks stand: few queries for each collection they are in. */
export async function readReferences(tasks: readonly References[][]): Promise<Judged[][]> {
  const turns = new Turns();
  const standings = new Map<Target, Map<string, Standing>>();
  for (const [target, ids] of await byTarget(tasks, turns)) standings.set(target, await readStandings(target, ids));

  const judged: Judged[][] = [];
  for (const references of tasks) {
    const clauses: Judged[] = [];
    for (const { clause, target, given: all } of references) {
      const found = target && standings.get(target);
      const stand = ({ id, given, isId }: Reference): Awaited => ({
        id,
        given,
        standing: (isId && found?.get(keyOf(id))) || 'missing',
      });
      clauses.push({ clause, target, references: await turns.map(all, stand) });
    }
    judged.push(clauses);
  }
  return judged;
}

function referencesOf(model: AnyModel, read: Reader): References[] {
  return clausesOf(model).map((clause) => {
    const name = clause.refPath === null ? undefined : (read(clause.refPath) as string);
    const target = targetOf(model, clause, name);
    const given = idsIn(read(clause.path)).map((id) => castReference(target?.model ?? null, id));

    return { clause, target, given };
  });
}

// The ids at a path. A reference may be populated; null and undefined do not count.
function idsIn(value: unknown): unknown[] {
  const references = Array.isArray(value) ? value : [value];

  return references
    .filter((one) => one !== null && one !== undefined)
    .map((one: unknown) => (isDocument(one) ? one._id : one));
}

function isDocument(value: unknown): value is { _id: unknown } {
  return value !== null && typeof value === 'object' && '_id' in value && !('_bsontype' in value);
}

async function byTarget(tasks: readonly References[][], turns: Turns): Promise<Map<Target, unknown[]>> {
  const ids = new Map<Target, Map<string, unknown>>();
  for (const { target, given } of tasks.flat()) {
    if (!target || given.length === 0) continue;
    const known = ids.get(target) ?? new Map<string, unknown>();
    ids.set(target, known);
    await turns.each(given, ({ id, isId }) => isId && known.set(keyOf(id), id));
  }

  return new Map([...ids].map(([target, known]) => [target, [...known.values()]]));
}

/** The documents of a target, some at a time, with the fields that tell whether they are done. */
export async function* readTarget(target: Target, ids: readonly unknown[]): AsyncGenerator<RawDocument[]> {
  const { model, met, failed } = target;
  const projection = only(Object.keys({ ...met, ...failed }));
  for (let start = 0; start < ids.length; start += PART) {
    const part = ids.slice(start, start + PART);
    const find = { filter: { _id: { $in: part } }, projection, limit: part.length };
    yield await read(model, isElsewhere(target) ? { ...find, readConcern: { level: 'majority' } } : find);
  }
}

async function readStandings(target: Target, ids: readonly unknown[]): Promise<Map<string, Standing>> {
  const standings = new Map<string, Standing>();
  for await (const documents of readTarget(target, ids))
    for (const document of documents) standings.set(keyOf(document._id), standingOf(target, document));

  return standings;
}

// Documents on other servers are read with majority read concern: the acknowledgement of a claim covers reads from its own servers only.
function isElsewhere({ model, dependent }: Target): boolean {
  return model.db !== dependent.db && model.db.getClient() !== dependent.db.getClient();
}

function standingOf({ met, failed }: Target, document: RawDocument): Standing {
  if (meets(document, met)) return 'met';

  return failed && meets(document, failed) ? 'failed' : 'unmet';
}

// Popping a base model pops its kinds as well, each with the dependencies of its own schema.
function modelsOf(model: AnyModel): AnyModel[] {
  return [model, ...Object.values((model.discriminators ?? {}) as Record<string, AnyModel>)];
}

/** The discriminator key of a model, if it has kinds or is one. */
export function kindKey({ schema }: AnyModel): string | undefined {
  return (schema as { discriminatorMapping?: { key: string } }).discriminatorMapping?.key;
}

function kindOf(model: AnyModel, task: RawDocument): AnyModel {
  const key = kindKey(model);
  if (!key || !model.discriminators) return model;
  const value = task[key] as unknown;

  return (
    modelsOf(model).find(
      (one) => (one.schema as { discriminatorMapping?: { value: unknown } }).discriminatorMapping?.value === value,
    ) ?? model
  );
}
