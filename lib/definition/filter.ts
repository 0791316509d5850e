import { Error as MongooseError } from 'mongoose';
import { InvalidOptionError } from '../errors';
import { requireObject } from '../values/check';
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
 * @throws {InvalidOptionError} for an unknown path or an undefined value: such a filter would match tasks that the user did not mean.
 */
export function castFilter(model: AnyModel, filter: Filter, verb: string): Filter {
  if (asRead.has(filter)) return filter;
  requireObject(
    'filter',
    filter,
    `\`${verb}({ to: 'ada@example.org' })\`, or \`${verb}({})\` for all tasks that it can change`,
  );
  const missing = Object.keys(filter).find((path) => filter[path] === undefined);
  if (missing !== undefined)
    throw new InvalidOptionError(
      `Expected \`${missing}\` of the filter to have a value, got \`undefined\`. Leave it out, or write \`null\` for tasks without it.`,
    );

  const ofTask = Object.entries(filter).filter(([path]) => path.startsWith('_task.'));
  const ofModel = Object.entries(filter).filter(([path]) => !path.startsWith('_task.'));
  const strictQuery = model.schema.get('strict') === false ? false : 'throw';
  try {
    const query = model.find(Object.fromEntries(ofModel)).setOptions({ strictQuery });
    query.cast(model);
    return { ...(query.getFilter() as Filter), ...Object.fromEntries(ofTask) };
  } catch (error) {
    if (!(error instanceof MongooseError)) throw error;
    throw new InvalidOptionError(
      `Expected the filter of \`${verb}()\` to fit the schema of ${model.modelName}: ${error.message}`,
      { cause: error },
    );
  }
}
