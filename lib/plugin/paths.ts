import { type AnyDocument, type AnySchema, keepsCreationTime } from '../definition/definition';
import { isPriority, MAX_PRIORITY, MIN_PRIORITY, Priority, State } from '../fields';
import type { ResolvedOptions } from '../options';

/** Adds the task's paths to a schema. Each carries the plugin's options, which thus follow the schema wherever Mongoose takes it. */
export function addFields(schema: AnySchema, options: ResolvedOptions): void {
  const { fields } = options;
  // A schema may have a field named `type`, and another name for what says the type.
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

// A document that was there before must not get fields by being loaded and saved, nor must a sub-document ever.
function onlyNew<T>(value: () => T) {
  return function (this: (AnyDocument & { ownerDocument(): unknown }) | null | undefined): T | undefined {
    return this?.isNew && this.ownerDocument() === this ? value() : undefined;
  };
}
