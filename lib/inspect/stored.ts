import { type AnyModel, definitionOf, type RawDocument } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { connected } from '../server/clock';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { isPlain } from '../values/writable';
import { readBounded } from './bounded';
import { labelOf } from './ids';

/** There is no such task. */
export class NoSuchTaskError extends TaskStateError {
  override name = 'NoSuchTaskError';
}

/** A task as it is stored. */
export interface Stored {
  readonly raw: RawDocument;
  readonly state: string;
  readonly task: Bookkeeping;
}

/** Reads one task, whole. @throws {NoSuchTaskError} */
export async function readStored(model: AnyModel, id: unknown): Promise<Stored> {
  await connected(model);
  const { kind, hidden } = definitionOf(model);
  const filter = { _id: { $eq: id }, ...ofKind(kind) };
  const [raw] = await readBounded(model, { filter, limit: 1, ...(hidden && { projection: hidden }) });
  if (!raw) throw new NoSuchTaskError(`${model.modelName} ${labelOf(id)} is not stored (any more).`, id, null);

  return storedIn(model, raw);
}

export function storedIn(model: AnyModel, raw: RawDocument): Stored {
  const { fields } = definitionOf(model).options;
  const state = raw[fields.state] as unknown;
  const task: unknown = raw['_task'];

  return {
    raw,
    state: typeof state === 'string' ? state : State.PENDING,
    task: readBookkeeping(isPlain(task) ? { ...task } : undefined),
  };
}
