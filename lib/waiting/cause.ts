import { type AnyModel, type AnySchema, optionsOf, type RawDocument } from '../definition/definition';
import type { Target } from '../dependencies/targets';
import { State } from '../fields';
import { read } from '../server/read';
import { type Bookkeeping, readBookkeeping, type TaskFailure } from '../task/bookkeeping';
import { keyOf, shownId } from '../values/id';
import type { Doomed } from './park';

/** The cause of a failure, and what has become of it. */
type Cause = NonNullable<TaskFailure['cause']> & { readonly what: 'is missing' | 'failed' | 'was cancelled' };

/** Adds the failure of each doomed task. It names the task that failed first, also when others failed with it in between. */
export async function withCauses(doomed: readonly Omit<Doomed, 'failure'>[]): Promise<Doomed[]> {
  const causes = await readCauses(doomed);

  return doomed.map((one) => {
    const [first] = one.by;
    const cause = causes.get(one.target)?.get(keyOf(first!.id)) ?? missing(one.target, first!.id);
    const { attempts = 0 } = bookkeepingOf(one.task);
    const message = `A dependency ${cause.what}: ${cause.model} ${shownId(cause.id)}${cause.message && `: ${cause.message}`}`;

    const { what: _, ...kept } = cause;
    return { ...one, failure: { message, attempt: attempts, cause: kept } };
  });
}

async function readCauses(doomed: readonly Omit<Doomed, 'failure'>[]): Promise<Map<Target | null, Map<string, Cause>>> {
  const causes = new Map<Target | null, Map<string, Cause>>();
  for (const target of new Set(doomed.map((one) => one.target))) {
    if (!target) continue;
    const first = doomed.flatMap(({ target: of, by }) => (of === target ? by.slice(0, 1) : []));
    const ids = first.filter(({ standing }) => standing === 'failed').map(({ id }) => id);
    if (ids.length === 0) continue;
    const state = optionsOf(target.model.schema as AnySchema)?.fields.state ?? 'state';
    const projection = { [state]: 1 as const, '_task.cancel': 1 as const, '_task.errors': { $slice: -1 } };
    const found = await read(target.model, { filter: { _id: { $in: ids } }, projection, limit: ids.length });
    causes.set(target, new Map(found.map((document) => [keyOf(document._id), causeOf(target.model, document, state)])));
  }

  return causes;
}

function causeOf(model: AnyModel, document: RawDocument, state: string): Cause {
  const { errors = [], cancel } = bookkeepingOf(document);
  const last = errors.at(-1);
  const itself = { model: model.modelName, id: document._id as unknown };
  if (document[state] === State.CANCELLED) return { ...itself, message: cancel?.reason ?? '', what: 'was cancelled' };

  return { ...(last?.cause ?? { ...itself, message: last?.message ?? '' }), what: 'failed' };
}

// A task is compared with what was read later on, so that stays as it is.
function bookkeepingOf(document: RawDocument): Bookkeeping {
  return readBookkeeping({ ...(document['_task'] as Bookkeeping | undefined) });
}

function missing(target: Target | null, id: unknown): Cause {
  return { model: target?.model.modelName ?? 'an unknown model', id, message: '', what: 'is missing' };
}
