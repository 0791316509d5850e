import { isDeepStrictEqual } from 'node:util';
import { refuseUnknown, shown, wrongValue } from '../check';
import type { AnySchema } from '../definition';
import { InvalidOptionError } from '../errors';

/** How many of the documents a field refers to must be done. */
export const DependencyType = {
  /** The one document of a single reference. */
  DIRECT: 'DIRECT',
  /** Every document of an array of references. */
  ALL_OF: 'ALL_OF',
  /** At least one document of an array of references. */
  ANY_OF: 'ANY_OF',
} as const;
export type DependencyType = (typeof DependencyType)[keyof typeof DependencyType];

/** `wait`: until it changes. `fail`: the task fails with it. `ignore`: as if the document were not referred to. */
export type DependencyPolicy = 'wait' | 'fail' | 'ignore';

/** Values of fields, each by equality or as `{ $in: [ … ] }`; all of them must hold. */
export type DependencyCondition = Readonly<Record<string, unknown>>;

export interface DependencyOptions {
  /** What a FAILED dependency does. With ANY_OF, `fail` applies when no alternative is left. Default: `'wait'`. */
  onFailed?: DependencyPolicy;

  /** What a dependency that does not exist does, whether it was deleted, expired or never there. Default: `'wait'`. */
  onMissing?: DependencyPolicy;

  /**
   * When a document counts as done: `{ status: 'paid' }`, `{ state: { $in: ['FINISHED', 'FAILED'] } }`. Needed for models without
   * the plugin. Default: the dependency is a task that is FINISHED.
   */
  when?: DependencyCondition;
}

/** A dependency as it is written on a path: its type, or its type with options. */
export type DependencyDeclaration = DependencyType | ({ type: DependencyType } & DependencyOptions);

export interface Dependency {
  readonly type: DependencyType;
  readonly onFailed: DependencyPolicy;
  readonly onMissing: DependencyPolicy;
  readonly when: DependencyCondition | null;
}

const TYPES = Object.values(DependencyType);
const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

/** Checks a declaration and fills in its defaults. `where` names the path in messages. */
export function resolveDependency(where: string, declared: unknown): Dependency {
  const options = typeof declared === 'string' ? { type: declared } : declared;
  if (options === null || typeof options !== 'object') {
    throw wrongValue(where, 'a dependency type or `{ type, … }`', declared, `\`dependsOn: 'DIRECT'\``);
  }
  refuseUnknown(options, ['type', 'onFailed', 'onMissing', 'when'], `the dependency \`${where}\``);
  const {
    type,
    onFailed = 'wait',
    onMissing = 'wait',
    when = null,
  } = options as { type: DependencyType } & DependencyOptions;

  if (!TYPES.includes(type))
    throw wrongValue(`${where}: type`, `one of ${TYPES.join(', ')}`, type, `\`dependsOn: 'DIRECT'\``);
  requirePolicy(`${where}: onFailed`, onFailed);
  requirePolicy(`${where}: onMissing`, onMissing);
  if (when !== null) requireCondition(`${where}: when`, when);

  return { type, onFailed, onMissing, when };
}

/** Where a dependency is kept: with the options of its path, which follow the schema into clones and discriminators. */
export function writeDependency(schema: AnySchema, path: string, dependency: Dependency): void {
  const options = schema.path(path)?.options as { dependsOn?: unknown } | undefined;
  if (!options) {
    throw new InvalidOptionError(
      `\`${path}\` is a dependency but no path of the schema. Write for example \`${path}: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${dependency.type}' }\`.`,
    );
  }
  if (options.dependsOn !== undefined && !isDeepStrictEqual(resolveDependency(path, options.dependsOn), dependency)) {
    throw new InvalidOptionError(
      `The dependency \`${path}\` is declared twice, as ${shown(options.dependsOn)} and as ${shown(dependency)}. Declare it once.`,
    );
  }
  options.dependsOn = dependency;
}

function requirePolicy(name: string, value: unknown): void {
  if (!POLICIES.includes(value as DependencyPolicy))
    throw wrongValue(name, `one of ${POLICIES.join(', ')}`, value, "`onFailed: 'fail'`");
}

function requireCondition(name: string, when: unknown): void {
  const instead = "`when: { status: 'paid' }` or `when: { status: { $in: ['paid', 'free'] } }`";
  if (when === null || typeof when !== 'object' || Array.isArray(when) || Object.keys(when).length === 0) {
    throw wrongValue(name, 'fields with their values', when, instead);
  }
  for (const [field, value] of Object.entries(when)) {
    const operators = isOperators(value) ? Object.keys(value) : [];
    const isIn = operators.length === 1 && operators[0] === '$in' && Array.isArray((value as { $in: unknown }).$in);
    if (
      field.startsWith('$') ||
      value === undefined ||
      value === null ||
      value instanceof RegExp ||
      (operators.length > 0 && !isIn)
    ) {
      throw wrongValue(`${name}.${field}`, 'a value, or `{ $in: [values] }`', value, instead);
    }
  }
}

function isOperators(value: unknown): value is object {
  return value !== null && typeof value === 'object' && Object.keys(value).some((key) => key.startsWith('$'));
}
