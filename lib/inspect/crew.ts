import type { Types } from 'mongoose';
import { type AnyModel, definitionOf, namespaceOf } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { State } from '../fields';
import { connected, serverNow } from '../server/clock';
import { only } from '../server/read';
import { type Crew, crewOf } from '../side/workers';
import type { Bookkeeping } from '../task/bookkeeping';
import { keyOf } from '../values/id';
import type { WorkerRow } from './answers';
import { readBounded } from './bounded';
import { idText, labelOf } from './ids';
import { isoOf } from './shown';
import { storedIn } from './stored';
import type { View } from './view';

/** A worker beats every 20 seconds: one that is late by half of that may be gone. */
const SILENT_MS = 30_000;

/** Who holds tasks, by the tokens of their leases. */
export type Holders = ReadonlyMap<string, string>;

/** Who holds tasks of a model: what was claimed since a worker's last beat, or by hand, is not in it. */
export async function holdersOf(model: AnyModel): Promise<Holders> {
  if (!definitionOf(model).options.history) return new Map();
  // Who may not read who it is, may read the rest.
  const crew = await crewOf(model).catch(() => []);

  return new Map(crew.flatMap((one) => one.tasks.map(({ token }) => [token.toHexString(), nameOf(one)] as const)));
}

/** The workers of all shown models with what they hold. */
export async function crewRows(view: View): Promise<WorkerRow[]> {
  const rows = new Map<string, WorkerRow>();
  const crews = new Map<string, Crew[]>();
  const shown = new Set<string>();
  for (const model of view.models) {
    if (!definitionOf(model).options.history) continue;
    await connected(model);
    const now = await serverNow(model);
    // Models of one collection share what is written down.
    const namespace = namespaceOf(model);
    const crew = crews.get(namespace) ?? (await crewOf(model));
    crews.set(namespace, crew);
    const held = await heldTasks(
      model,
      crew.flatMap(({ tasks }) => tasks),
    );
    for (const one of crew) {
      const row = rows.get(one.id) ?? rowOf(view, one, now);
      rows.set(one.id, row);
      for (const { id, token } of one.tasks) {
        const found = held.get(keyOf(id));
        const name = `${namespace} ${keyOf(id)}`;
        // A base and its kinds may both be shown.
        if (!found?.token.equals(token) || shown.has(name)) continue;
        shown.add(name);
        row.tasks.push(found.row);
      }
    }
  }

  return [...rows.values()];
}

function nameOf({ host, pid }: Crew): string {
  return `${host}:${pid}`;
}

function rowOf(
  view: View,
  { id, host, pid, models, concurrency, running, held, since, beat }: Crew,
  now: Date,
): WorkerRow {
  return {
    id,
    host,
    pid,
    models: models.filter((name) => view.model(name)),
    concurrency,
    running,
    held,
    since: isoOf(since) ?? '',
    beat: isoOf(beat) ?? '',
    silent: now.getTime() - beat.getTime() > SILENT_MS,
    tasks: [],
  };
}

interface Held {
  readonly token: Types.ObjectId;
  readonly row: WorkerRow['tasks'][number];
}

/** Those of the tasks that run and are the model's, by id. */
async function heldTasks(model: AnyModel, tasks: Crew['tasks']): Promise<Map<string, Held>> {
  if (tasks.length === 0) return new Map();
  const { options, kind } = definitionOf(model);
  const { state } = options.fields;
  const found = await readBounded(model, {
    filter: {
      _id: { $in: tasks.map(({ id }) => id) },
      [state]: State.RUNNING,
      ...ofKind(kind),
    },
    projection: only(['_task.token', '_task.startedAt', '_task.availableAt', state]),
    limit: tasks.length,
  });
  const entries = found.flatMap((raw): [string, Held][] => {
    const { task } = storedIn(model, raw);
    return task.token ? [[keyOf(raw._id), { token: task.token, row: heldRow(model, raw._id, task) }]] : [];
  });

  return new Map(entries);
}

function heldRow(model: AnyModel, id: unknown, { startedAt, availableAt }: Bookkeeping): Held['row'] {
  return {
    model: model.modelName,
    id: idText(id),
    label: labelOf(id),
    since: isoOf(startedAt),
    leaseUntil: isoOf(availableAt) ?? '',
  };
}
