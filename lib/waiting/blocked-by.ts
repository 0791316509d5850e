import type { DependencyType } from '../declare/dependency';
import {
  type AnyDocument,
  type AnyModel,
  type AnySchema,
  type Definition,
  definitionOf,
  type Filter,
  hydrate,
  modelOf,
  optionsOf,
  type RawDocument,
} from '../definition/definition';
import { ofKind } from '../definition/kind';
import { valueAt } from '../dependencies/condition';
import {
  readReferences,
  readTarget,
  type References,
  referencesOfDocument,
  referencesOfRaw,
} from '../dependencies/references';
import type { Target } from '../dependencies/targets';
import { judge, type Judged, type Standing } from '../dependencies/verdict';
import { State } from '../fields';
import { connected } from '../server/clock';
import { read } from '../server/read';
import type { Bookkeeping } from '../task/bookkeeping';
import { tellModel, unlisted } from '../task/tell-failed';
import { refuseUnknown, requireInteger } from '../values/check';
import { keyOf } from '../values/id';
import { findCycle, findStored, type Known } from './cycle';
import { explainPaused } from './paused';
import { explainBehind } from './predecessor';

/** A document that holds a task back, and its standing. */
export interface BlockingDocument {
  /** The name of its model, or `unknown` where there is no model of the name that the task holds. */
  model: string;
  /** Its `_id`. */
  id: unknown;
  /** `unmet`, `failed`, `cancelled`, or `missing` for a document that does not exist. */
  standing: Standing | 'cancelled';
  /** The present values of the fields that decide: `{ state: 'RUNNING' }`. Null for a missing document. */
  values: Record<string, unknown> | null;
}

/** An unmet clause: what a task waits for, or was failed by. Or what holds it back apart from its dependencies: the task before it. */
export interface BlockedBy {
  /** The path of the task that refers to the documents; null for what is no dependency. */
  path: string | null;
  /** How many of them must be done; or `behind`: the task waits until the running task of its key has ended; or `paused`, or `cancelled`. */
  type: DependencyType | 'behind' | 'paused' | 'cancelled';
  /** Why a queue was paused or a task cancelled, if a reason was given. */
  reason?: string;
  /** Those that are not done. */
  documents: BlockingDocument[];
  /** The way from the task over what it waits for back to itself, if there is one: none of them will ever run by itself. */
  cycle: Pick<BlockingDocument, 'model' | 'id'>[] | null;
}

/** Options of `blocked()`. */
export interface BlockedOptions {
  /** How many tasks are listed, from 1 to 1 000. Default: 100. */
  limit?: number | undefined;
}

/** What a stored task waits for, by its `_id` alone: another field of it might not be readable. */
export function blockedById(model: AnyModel, id: unknown): Promise<BlockedBy[]> {
  return blockedBy(hydrate({ model: definitionOf(model).model, hidden: null }, { _id: id }));
}

/** See `TaskMethods.blockedBy`. */
export async function blockedBy(task: AnyDocument): Promise<BlockedBy[]> {
  const definition = definitionOf(modelOf(task));
  const { model, options } = definition;
  await connected(model);
  const stored = task.isNew ? null : await findStored(model, task._id);
  const state: unknown = stored ? stored[options.fields.state] : State.PENDING;
  if (state === State.RUNNING || state === State.FINISHED) return [];

  if (stored && state === State.CANCELLED) return [cancelledBy(stored)];

  const held = stored
    ? [...(await explainPaused(definition, stored)), ...(await explainBehind(definition, stored))]
    : [];
  const unmet = await explain(model, task._id, stored ? referencesOfRaw(model, stored) : referencesOfDocument(task));
  return [...held, ...unmet];
}

function cancelledBy({ _task: task }: RawDocument): BlockedBy {
  const { reason } = (task as Bookkeeping | undefined)?.cancel ?? {};

  return { path: null, type: 'cancelled', ...(reason !== undefined && { reason }), documents: [], cycle: null };
}

/** See `TaskStatics.blocked`. */
export async function blocked(
  model: AnyModel,
  options: BlockedOptions = {},
): Promise<{ task: AnyDocument; blockedBy: BlockedBy[] }[]> {
  refuseUnknown(options, ['limit'], 'blocked()');
  const { limit = 100 } = options;
  requireInteger('limit', limit, 1, 1_000, 'tasks', '`blocked({ limit: 100 })`');
  const { options: resolved, kind, hidden } = definitionOf(model);
  await connected(model);
  const waiting: Filter = {
    '_task.waitingOn': { $exists: true },
    [resolved.fields.state]: State.CREATED,
    ...ofKind(kind),
  };
  const found = await read(model, { filter: waiting, sort: { '_task.dueAt': 1 }, limit });

  const known: Known = new Map();
  const blocking = await Promise.all(
    found.map((task) => explain(model, task._id, referencesOfRaw(model, task), known)),
  );
  return found.flatMap((raw, index) => {
    const task = documentOf({ model, hidden }, raw);
    return task ? [{ task, blockedBy: blocking[index]! }] : [];
  });
}

/** Makes a document of a raw task. If that fails, the task is left out and reported, so that the others are listed. */
function documentOf(definition: Pick<Definition, 'model' | 'hidden'>, raw: RawDocument): AnyDocument | null {
  try {
    return hydrate(definition, raw);
  } catch (error) {
    tellModel(definition.model)(unlisted(definition, raw._id, error), null);
    return null;
  }
}

async function explain(
  model: AnyModel,
  id: unknown,
  references: References[],
  known: Known = new Map(),
): Promise<BlockedBy[]> {
  const [judged] = await readReferences([references]);
  const unmet = judged!.filter((clause) => judge([clause]).kind !== 'ready');

  return Promise.all(
    unmet.map(async (clause) => ({
      path: clause.clause.path,
      type: clause.clause.type,
      documents: await describe(clause),
      cycle: await findCycle(model, id, clause, known),
    })),
  );
}

async function describe({ target, references }: Judged): Promise<BlockingDocument[]> {
  const open = references.filter(({ standing }) => standing !== 'met');
  const there = open.filter(({ standing }) => standing !== 'missing').map(({ id }) => id);
  const values = target ? await readValues(target, there) : new Map<string, Record<string, unknown>>();

  const state = target && optionsOf(target.model.schema as AnySchema)?.fields.state;
  const standingOf = ({ id, standing }: (typeof open)[number]) =>
    standing === 'failed' && state && values.get(keyOf(id))?.[state] === State.CANCELLED ? 'cancelled' : standing;

  return open.map((one) => ({
    model: target?.model.modelName ?? 'unknown',
    id: one.id,
    standing: standingOf(one),
    values: values.get(keyOf(one.id)) ?? null,
  }));
}

async function readValues(target: Target, ids: unknown[]): Promise<Map<string, Record<string, unknown>>> {
  const fields = Object.keys({ ...target.met, ...target.failed });
  const values = new Map<string, Record<string, unknown>>();
  for await (const documents of readTarget(target, ids))
    for (const document of documents)
      values.set(keyOf(document._id), Object.fromEntries(fields.map((field) => [field, valueAt(document, field)])));

  return values;
}
