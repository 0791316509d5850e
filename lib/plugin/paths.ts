import { isDeepStrictEqual } from 'node:util';
import { type AnyDocument, type AnySchema, keepsCreationTime } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { isPriority, MAX_PRIORITY, MIN_PRIORITY, Priority, State } from '../fields';
import { requireOwnCopy } from '../mongoose';
import type { ResolvedOptions } from '../options';
import { hasHooks } from './guard-saves';

/** Adds the task's paths to a schema. Each path carries the plugin's options, so that clones of the schema have them too. */
export function addFields(schema: AnySchema, options: ResolvedOptions): void {
  const { fields } = options;
  // A schema may use another key than `type` to declare types.
  const typeKey = (schema.get('typeKey') as string | undefined) ?? 'type';
  const added: Record<string, unknown> = {
    [fields.state]: {
      [typeKey]: String,
      enum: Object.values(State),
      default: onlyNew(() => State.PENDING),
      taskQueue: options,
    },
    [fields.priority]: {
      [typeKey]: Number,
      default: onlyNew(() => Priority.MEDIUM),
      validate: priorityValidator,
      taskQueue: options,
    },
  };
  if (!keepsCreationTime(schema, options))
    added[fields.createdAt] = { [typeKey]: Date, default: onlyNew(() => new Date()), taskQueue: options };
  if (options.category) added[fields.category] = { [typeKey]: String, taskQueue: options };

  schema.add(added as never);
}

const priorityValidator = {
  validator: (value: unknown) => value === null || value === undefined || isPriority(value),
  message: `Expected \`{PATH}\` to be a whole number from ${MIN_PRIORITY} to ${MAX_PRIORITY}, got \`{VALUE}\`.`,
};

// A stored document must not get fields by being loaded and saved, and a sub-document must never get them.
function onlyNew<T>(value: () => T) {
  return function (this: (AnyDocument & { ownerDocument(): unknown }) | null | undefined): T | undefined {
    return this?.isNew && this.ownerDocument() === this ? value() : undefined;
  };
}

/** @throws {InvalidOptionError} for a kind that has lost the plugin's hooks, or calls the fields of a task otherwise than its base. */
export function refuseKind(modelName: string, schema: AnySchema, base: AnySchema): void {
  if (!hasHooks(schema))
    throw new InvalidOptionError(
      `Expected ${modelName} to have the hooks of its base, without which no task of it can be held, got a kind without them. Leave \`mergeHooks: false\` out.`,
    );
  const [first, ...others] = [base, schema].flatMap(allOptionsOf);
  if (others.every(({ fields, category }) => isDeepStrictEqual([fields, category], [first!.fields, first!.category])))
    return;
  throw new InvalidOptionError(
    `Expected ${modelName} to have the \`fields\` and the \`category\` of its base: tasks of all kinds are claimed together. Leave the plugin's options out for the kind.`,
  );
}

/** The plugin's options of each path that it added: those of a base, and of a kind. */
function allOptionsOf({ paths }: AnySchema): ResolvedOptions[] {
  const all = Object.values(paths as Record<string, { options: { taskQueue?: ResolvedOptions } }>);

  return all.flatMap(({ options }) => options.taskQueue ?? []);
}

/** @throws {InvalidOptionError} for a schema whose collection keeps documents as they were inserted, or has no index of `_id` by name: the writes of tasks hint it. */
export function refuseFixed({ modelName, schema }: { modelName: string; schema: AnySchema }): void {
  const option = ['capped', 'timeseries', 'clusteredIndex'].find((name) => schema.get(name as 'capped'));
  if (option === undefined) return;
  throw new InvalidOptionError(
    `Expected ${modelName} to have a usual collection, whose documents can change, grow and be removed and have an index of their own for \`_id\`, got the schema option \`${option}\`. Leave it out.`,
  );
}

/** @throws {InvalidOptionError} for a schema that has the plugin with other options already. */
export function refuseDifference(installed: ResolvedOptions, options: ResolvedOptions): void {
  requireOwnCopy(installed.copy, 'The schema');
  if (isDeepStrictEqual(installed, options)) return;
  throw new InvalidOptionError('The plugin was applied twice to one schema, with different options. Apply it once.');
}
