import { type AnyModel, definitionOf, namespaceOf } from '../definition/definition';
import { State } from '../fields';
import { connected, serverNow } from '../server/clock';
import { only } from '../server/read';
import { type Crew, crewOf } from '../side/workers';
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
  const read = new Set<string>();
  for (const model of view.models) {
    if (!definitionOf(model).options.history) continue;
    await connected(model);
    const now = await serverNow(model);
    for (const one of await crewOf(model)) {
      const row = rows.get(one.id) ?? rowOf(view, one, now);
      rows.set(one.id, row);
      // Models of one collection share what is written down.
      if (!read.has(`${namespaceOf(model)} ${one.id}`)) row.tasks.push(...(await heldTasks(model, one)));
      read.add(`${namespaceOf(model)} ${one.id}`);
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

async function heldTasks(model: AnyModel, { tasks }: Crew): Promise<WorkerRow['tasks']> {
  if (tasks.length === 0) return [];
  const { options, kind } = definitionOf(model);
  const { state } = options.fields;
  const found = await readBounded(model, {
    filter: {
      _id: { $in: tasks.map(({ id }) => id) },
      [state]: State.RUNNING,
      ...(kind && { [kind.key]: kind.value }),
    },
    projection: only(['_task.token', '_task.startedAt', '_task.availableAt', state]),
    limit: tasks.length,
  });
  const tokens = new Map(tasks.map(({ id, token }) => [keyOf(id), token]));

  return found.flatMap((raw) => {
    const { task } = storedIn(model, raw);
    if (!task.token || !tokens.get(keyOf(raw._id))?.equals(task.token)) return [];
    return {
      model: model.modelName,
      id: idText(raw._id),
      label: labelOf(raw._id),
      since: isoOf(task.startedAt),
      leaseUntil: isoOf(task.availableAt) ?? '',
    };
  });
}
