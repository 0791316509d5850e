import { refuseUnknown, wrongValue } from '../values/check';
import { type Dependency, type DependencyOptions, type DependencyPolicy, DependencyType } from './dependency';

const TYPES = Object.values(DependencyType);

const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

const checked = new WeakSet<Dependency>();

/** Checks a declaration and fills in its defaults. `where` names the path in messages. @throws {InvalidOptionError} */
export function resolveDependency(where: string, declared: unknown): Dependency {
  if (checked.has(declared as Dependency)) return declared as Dependency;
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
  requirePolicy(where, 'onFailed', onFailed);
  requirePolicy(where, 'onMissing', onMissing);
  if (when !== null) requireCondition(`${where}: when`, when);

  const dependency = { type, onFailed, onMissing, when };
  checked.add(dependency);
  return dependency;
}

/** A line of code that declares a dependency, for messages. */
export function exampleOf(path: string, type: DependencyType): string {
  const name = path.includes('.') ? `'${path}'` : path;
  const reference = `{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${type}' }`;

  return `${name}: ${type === DependencyType.DIRECT ? reference : `[${reference}]`}`;
}

function requirePolicy(where: string, option: string, value: unknown): void {
  if (!POLICIES.includes(value as DependencyPolicy))
    throw wrongValue(`${where}: ${option}`, `one of ${POLICIES.join(', ')}`, value, `\`${option}: 'fail'\``);
}

function requireCondition(name: string, when: unknown): void {
  const instead = "`when: { status: 'paid' }` or `when: { status: { $in: ['paid', 'free'] } }`";
  if (when === null || typeof when !== 'object' || Array.isArray(when) || Object.keys(when).length === 0) {
    throw wrongValue(name, 'fields with their values', when, instead);
  }
  for (const [field, value] of Object.entries(when)) {
    const accepted = isIn(value) ? value.$in : [value];
    if (field.startsWith('$') || accepted.length === 0 || !accepted.every(isComparable))
      throw wrongValue(`${name}.${field}`, 'a value, or `{ $in: [values] }`', value, instead);
  }
}

function isIn(value: unknown): value is { $in: unknown[] } {
  const keys = value !== null && typeof value === 'object' ? Object.keys(value) : [];

  return keys.length === 1 && Array.isArray((value as { $in?: unknown }).$in);
}

// Whether a value can be compared by equality in an index: no operator, and not null, which a missing field equals too.
function isComparable(value: unknown): boolean {
  if (value === null || ['undefined', 'function', 'symbol'].includes(typeof value) || value instanceof RegExp)
    return false;

  return typeof value !== 'object' || !Object.keys(value).some((key) => key.startsWith('$'));
}
