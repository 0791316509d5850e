import { InvalidOptionError } from '../errors';
import { wrongValue } from '../values/check';
import { lineOf } from '../values/describe';
import { isPlain } from '../values/writable';
import type { AnyModel, Filter } from './definition';

const asRead = new WeakSet<Filter>();

/** A filter of ids that were read, which is not cast: another program may have written ids of other types than the schema has. */
export function filterOfRead(ids: readonly unknown[], more: Filter = {}): Filter {
  const filter: Filter = { ...more, _id: { $in: ids } };
  asRead.add(filter);

  return filter;
}

/**
 * Casts a user's filter by the schema.
 *
 * @throws {InvalidOptionError} for what is no filter, such as a promise, an unknown path, an undefined value at any depth, or an empty `$or`: such a
 * filter would match tasks that the user did not mean.
 */
export function castFilter(model: AnyModel, filter: Filter, verb: string): Filter {
  if (asRead.has(filter)) return filter;
  if (!isPlain(filter))
    throw wrongValue(
      'filter',
      'an object',
      filter,
      `\`${verb}({ to: 'ada@example.org' })\`, or \`${verb}({})\` for all tasks that it can change`,
    );
  requireValues(filter);

  const ofTask = Object.entries(filter).filter(([path]) => path.startsWith('_task.'));
  const ofModel = Object.entries(filter).filter(([path]) => !path.startsWith('_task.'));
  const strictQuery = model.schema.get('strict') === false ? false : 'throw';
  try {
    const query = model.find(Object.fromEntries(ofModel)).setOptions({ strictQuery });
    query.cast(model);
    return { ...(query.getFilter() as Filter), ...Object.fromEntries(ofTask) };
  } catch (error) {
    throw new InvalidOptionError(
      `Expected the filter of \`${verb}()\` to fit the schema of ${model.modelName}: ${lineOf(error)}`,
      { cause: error },
    );
  }
}

/** Mongoose drops an empty list of conditions, and the driver may drop what is undefined: what is left would match more. */
function requireValues(value: unknown, path = ''): void {
  if (value === undefined)
    throw new InvalidOptionError(
      `Expected \`${path}\` of the filter to have a value, got \`undefined\`. Leave it out, or write \`null\` for tasks without it.`,
    );
  if (Array.isArray(value) && value.length === 0 && /(^|\.)\$(and|or|nor)$/.test(path))
    throw new InvalidOptionError(`Expected \`${path}\` of the filter to have a condition, got none. Leave it out.`);
  if (!Array.isArray(value) && !isPlain(value)) return;
  for (const [name, one] of Object.entries(value)) requireValues(one, path === '' ? name : `${path}.${name}`);
}
