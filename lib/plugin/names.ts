import { type AnySchema, isAdded } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import type { FieldNames } from '../fields';
import type { ResolvedOptions } from '../options';

/** What the plugin puts on a model and on its documents. */
export interface Bindings {
  statics: object;
  methods: object;
  getters: object;
}

/** Refuses to replace a path, static or method the schema has already. */
export function refuseTaken(
  schema: AnySchema,
  options: ResolvedOptions,
  { statics, methods, getters }: Bindings,
): void {
  const { fields } = options;
  const bound = options.bind ? { ...methods, ...getters } : {};
  for (const name of neededPaths(options)) {
    if (!isPath(schema, fields[name]) && !(fields[name] in bound)) continue;
    throw new InvalidOptionError(
      `The name \`${fields[name]}\` is taken, and the queue needs a path for the task's ${name}. Write \`taskQueue(schema, { fields: { ${name}: '…' } })\` with a free name.`,
    );
  }
  if (!options.bind) return;

  const names = [
    ...Object.keys(statics)
      .filter((name) => name in schema.statics)
      .map((name) => `static \`${name}\``),
    ...[...Object.keys(methods), ...Object.keys(getters)]
      .filter((name) => isTaken(schema, name))
      .map((name) => `\`${name}\``),
  ];
  if (names.length > 0) throw takenNames(names);
}

/** Refuses what was put in the place of ours after the plugin was applied. */
export function refuseReplaced(
  schema: AnySchema,
  options: ResolvedOptions,
  { statics, methods, getters }: Bindings,
): void {
  for (const name of neededPaths(options)) {
    if (isAdded(schema.path(options.fields[name]) as { options: object } | undefined)) continue;
    throw new InvalidOptionError(
      `The path \`${options.fields[name]}\` was replaced after the plugin was applied. Write \`taskQueue(schema, { fields: { ${name}: '…' } })\` with a free name.`,
    );
  }
  if (!options.bind) return;

  const replaced = [
    ...Object.entries(statics).filter(([name, own]) => schema.statics[name] !== (own as unknown)),
    ...Object.entries(methods).filter(([name, own]) => schema.methods[name] !== (own as unknown)),
    ...Object.entries(getters).filter(([name]) => isTaken(schema, name)),
  ].map(([name]) => `\`${name}\``);
  if (replaced.length > 0) throw takenNames(replaced);
}

function neededPaths({ category }: ResolvedOptions): (keyof FieldNames)[] {
  return category ? ['state', 'priority', 'category'] : ['state', 'priority'];
}

function takenNames(names: string[]): InvalidOptionError {
  return new InvalidOptionError(
    `The schema has ${names.join(', ')} already. Write \`taskQueue(schema, { bind: false })\`, which adds no statics and methods, and use the functions: \`pop(Model)\`, \`finish(task)\`, …`,
  );
}

function isTaken(schema: AnySchema, name: string): boolean {
  return name in schema.methods || isPath(schema, name);
}

/** Also a virtual, a nested path or a path of a sub-document. */
function isPath(schema: AnySchema, name: string): boolean {
  return schema.pathType(name) !== 'adhocOrUndefined';
}
