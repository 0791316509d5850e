import { type AnySchema, isAdded } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import type { FieldNames } from '../fields';
import type { ResolvedOptions } from '../options';

/** The statics, methods and getters that the plugin adds to a model and its documents. */
export interface Bindings {
  statics: object;
  methods: object;
  getters: object;
}

/** @throws {InvalidOptionError} for a path, static or method that the schema has already. */
export function refuseTaken(
  schema: AnySchema,
  options: ResolvedOptions,
  { statics, methods, getters }: Bindings,
): void {
  const { fields } = options;
  const bound = options.bind ? { ...methods, ...getters } : {};
  const paths = neededPaths(options).filter((name) => isPath(schema, fields[name]) || fields[name] in bound);
  const names = options.bind ? boundNames(schema, { statics, methods, getters }) : [];
  const messages = [
    ...(paths.length > 0 ? [takenPaths(paths, fields)] : []),
    ...(names.length > 0 ? [taken(names)] : []),
  ];
  if (messages.length > 0) throw new InvalidOptionError(messages.join('\n'));
}

function boundNames(schema: AnySchema, { statics, methods, getters }: Bindings): string[] {
  return [
    ...Object.keys(statics)
      .filter((name) => name in schema.statics)
      .map((name) => `static \`${name}\``),
    ...[...Object.keys(methods), ...Object.keys(getters)]
      .filter((name) => isTaken(schema, name))
      .map((name) => `\`${name}\``),
  ];
}

/** @throws {InvalidOptionError} for a path, static or method of the plugin that was replaced later. */
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
  if (replaced.length > 0) throw new InvalidOptionError(taken(replaced));
}

function neededPaths({ category }: ResolvedOptions): (keyof FieldNames)[] {
  return category ? ['state', 'priority', 'category'] : ['state', 'priority'];
}

function takenPaths(paths: readonly (keyof FieldNames)[], fields: FieldNames): string {
  const write = `Write \`taskQueue(schema, { fields: { ${paths.map((name) => `${name}: '…'`).join(', ')} } })\` with`;
  if (paths.length > 1)
    return `The names ${paths.map((name) => `\`${fields[name]}\``).join(', ')} are taken, and the queue needs paths for the task's ${paths.join(', ')}. ${write} free names.`;

  const [name] = paths as [keyof FieldNames];
  return `The name \`${fields[name]}\` is taken, and the queue needs a path for the task's ${name}. ${write} a free name.`;
}

function taken(names: readonly string[]): string {
  return `The schema has ${names.join(', ')} already. Write \`taskQueue(schema, { bind: false })\`, which adds no statics and methods, and use the functions: \`pop(Model)\`, \`finish(task)\`, …`;
}

function isTaken(schema: AnySchema, name: string): boolean {
  return name in schema.methods || isPath(schema, name);
}

/** Whether a name is a path, also a virtual, a nested path or a path of a sub-document. */
function isPath(schema: AnySchema, name: string): boolean {
  return schema.pathType(name) !== 'adhocOrUndefined';
}
