import type { Types } from 'mongoose';
import { type AnyModel, definitionOf, type Filter, hydrate, type RawDocument } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { checkPriority } from '../push/input';
import { isDuplicate } from '../server/permanent';
import { throwHookError } from '../settle/save';
import { writeIf } from '../settle/write';
import { shown } from '../values/check';
import { lineOf } from '../values/describe';
import { isPlain } from '../values/writable';
import type { Skipped, Write } from './act-options';
import { fromExtendedJson } from './extended-json';
import { editablePaths } from './fields';
import { NoSuchTaskError, readStored } from './stored';

/**
 * Changes fields of tasks that do not run. The values are validated by the schema, its save hooks run, and the write matches only a task
 * that is as it was read: it changes none that was claimed meanwhile.
 *
 * @throws {InvalidOptionError} for a path that cannot be changed, before anything is.
 */
export async function editTasks({ view, model, options }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const values = valuesIn(options.set, editablePaths(view, model));
  const skipped: Skipped[] = [];
  for (const [count, { _id: id }] of (tasks as { _id: unknown }[]).entries()) {
    const reason = await editOne(model, id, values).catch((error: unknown) => {
      // An error says that nothing was changed.
      if (!(error instanceof InvalidOptionError) || count === skipped.length) throw error;
      return error.message;
    });
    if (reason !== null) skipped.push({ id, reason });
  }

  return skipped;
}

function valuesIn(set: unknown, editable: readonly string[]): Record<string, unknown> {
  if (!isPlain(set) || Object.keys(set).length === 0)
    throw new InvalidOptionError(`Expected \`set\` to have paths with values, got ${shown(set)}.`);
  const wrong = Object.keys(set).find((path) => !editable.includes(path));
  if (wrong !== undefined)
    throw new InvalidOptionError(`The path \`${wrong}\` cannot be edited. Those that can are: ${editable.join(', ')}.`);

  return fromExtendedJson(set);
}

/** Resolves to why the task stays as it is; null if it was changed. */
async function editOne(model: AnyModel, id: unknown, values: Record<string, unknown>): Promise<string | null> {
  const definition = definitionOf(model);
  try {
    const { raw, state, task } = await readStored(model, id);
    if (state === State.RUNNING) return 'it runs';
    const document = hydrate(definition, raw);
    for (const [path, value] of Object.entries(values)) document.set(path, value);
    checkPriority(document);
    await document.validate(Object.keys(values));
    if (!(await writeIf(document, asRead(definition.options.fields.state, state, task.token), same(state), null)))
      return 'it was claimed or changed meanwhile';
    throwHookError(document);
    return null;
  } catch (error) {
    if (error instanceof NoSuchTaskError) return 'it is not stored (any more)';
    // The server's words may show values that are hidden.
    if (isDuplicate(error)) return 'another document has one of the values';
    if (isOfSchema(error)) throw new InvalidOptionError(lineOf(error), { cause: error });
    throw error;
  }
}

function asRead(path: string, state: string, token: Types.ObjectId | undefined): Filter {
  const isUnpushed = state === State.PENDING;

  return { [path]: isUnpushed ? { $in: [state, null] } : state, '_task.token': { $eq: token ?? null } };
}

function same(state: string) {
  return { state: state as State, task: {} };
}

function isOfSchema(error: unknown): boolean {
  const { name } = (error ?? {}) as { name?: unknown };

  return name === 'ValidationError' || name === 'CastError' || name === 'StrictModeError';
}
