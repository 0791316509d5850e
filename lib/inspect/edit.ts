import { mongo, type Types } from 'mongoose';
import { type AnyModel, definitionOf, type Filter, hydrate, type RawDocument } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { checkPriority } from '../push/input';
import { throwHookError } from '../settle/save';
import { writeIf } from '../settle/write';
import { shown } from '../values/check';
import { lineOf } from '../values/describe';
import { isPlain } from '../values/writable';
import type { Skipped, Write } from './act-options';
import { editablePaths } from './fields';
import { readStored } from './stored';

/**
 * Changes fields of tasks that do not run. The values are validated by the schema, its save hooks run, and the write matches only a task
 * that is as it was read: it changes none that was claimed meanwhile.
 *
 * @throws {InvalidOptionError} for a path that cannot be changed, before anything is.
 */
export async function editTasks({ view, model, options }: Write, tasks: readonly RawDocument[]): Promise<Skipped[]> {
  const values = valuesIn(options.set, editablePaths(view, model));
  const skipped: Skipped[] = [];
  for (const { _id: id } of tasks as { _id: unknown }[]) {
    const reason = await editOne(model, id, values);
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

  return mongo.BSON.EJSON.deserialize(set, { relaxed: true }) as Record<string, unknown>;
}

/** Resolves to why the task stays as it is; null if it was changed. */
async function editOne(model: AnyModel, id: unknown, values: Record<string, unknown>): Promise<string | null> {
  const { raw, state, task } = await readStored(model, id);
  if (state === State.RUNNING) return 'it runs';
  const definition = definitionOf(model);
  try {
    const document = hydrate(definition, raw);
    for (const [path, value] of Object.entries(values)) document.set(path, value);
    checkPriority(document);
    await document.validate(Object.keys(values));
    if (!(await writeIf(document, asRead(definition.options.fields.state, state, task.token), same(state), null)))
      return 'it was claimed or changed meanwhile';
    throwHookError(document);
    return null;
  } catch (error) {
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

  return (
    name === 'ValidationError' || name === 'CastError' || name === 'StrictModeError' || name === 'InvalidOptionError'
  );
}
