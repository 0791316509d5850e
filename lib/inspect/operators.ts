import type { AnyModel, Filter } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { shown } from '../values/check';
import { isPlain } from '../values/writable';
import { fromExtendedJson } from './extended-json';
import type { View } from './view';

/** Operators that compare a value; whoever asks for another may run code on the server, or compute. */
const COMPARING = new Set([
  '$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$not', '$all', '$size', '$elemMatch', '$regex', '$options', '$type',
]); // prettier-ignore
const JOINING = new Set(['$and', '$or', '$nor']);
/** The names by which Extended JSON writes values that JSON lacks. */
const TYPES = new Set([
  '$oid', '$date', '$numberLong', '$numberInt', '$numberDouble', '$numberDecimal', '$uuid', '$binary',
]); // prettier-ignore
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_CONDITIONS = 200;
const MAX_PATTERN = 200;

/**
 * The filter in a JSON text: conditions on paths of the model that are not hidden, by operators that only compare.
 *
 * @throws {InvalidOptionError} for anything else.
 */
export function parseFilter(view: View, model: AnyModel, text: string): Filter {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (cause) {
    throw new InvalidOptionError(
      `Expected the filter to be JSON: ${(cause as Error).message}. Write for example \`{"amount":{"$gt":5}}\`.`,
      { cause },
    );
  }
  if (!isPlain(given)) throw wrong('a JSON object', given);
  new Check(view, model).conditions(given, '', 0);

  return fromExtendedJson(given);
}

/** @throws {InvalidOptionError} for a path that nobody may search. */
export function checkPath(view: View, model: AnyModel, path: string): void {
  const steps = path.split('.');
  if (path === '' || steps.some((step) => step === '' || step.startsWith('$') || FORBIDDEN.has(step)))
    throw wrong('a path', path);
  // A condition on what is around a hidden value would tell of it.
  if (view.hidesPartOf(model, path))
    throw new InvalidOptionError(`Expected a path that is shown, got \`${path}\`, which is hidden here.`);
}

class Check {
  #left = MAX_CONDITIONS;

  constructor(
    private readonly view: View,
    private readonly model: AnyModel,
  ) {}

  conditions(given: Record<string, unknown>, prefix: string, depth: number): void {
    for (const [name, value] of Object.entries(given)) {
      this.#count(depth);
      if (JOINING.has(name)) this.#joined(name, value, prefix, depth);
      else {
        checkPath(this.view, this.model, prefix + name);
        this.#condition(value, prefix + name, depth + 1);
      }
    }
  }

  #joined(name: string, value: unknown, prefix: string, depth: number): void {
    if (!Array.isArray(value) || value.length === 0) throw wrong(`\`${name}\` to be a list of conditions`, value);
    for (const one of value) {
      if (!isPlain(one)) throw wrong('a condition', one);
      this.conditions(one, prefix, depth + 1);
    }
  }

  #condition(value: unknown, path: string, depth: number): void {
    this.#count(depth);
    if (Array.isArray(value)) for (const one of value) this.#condition(one, path, depth + 1);
    if (!isPlain(value) || isTyped(value)) return;

    for (const [name, operand] of Object.entries(value)) {
      this.#count(depth);
      // The fields of a value to compare with.
      if (!name.startsWith('$')) this.#field(path, name, operand, depth);
      else if (!COMPARING.has(name)) throw notAllowed(name);
      else if (name === '$elemMatch' && isPlain(operand) && !Object.keys(operand).every(isOperator))
        this.conditions(operand, `${path}.`, depth + 1);
      else this.#operand(name, operand, path, depth);
    }
  }

  #field(path: string, name: string, operand: unknown, depth: number): void {
    checkPath(this.view, this.model, `${path}.${name}`);
    this.#condition(operand, `${path}.${name}`, depth + 1);
  }

  #operand(name: string, operand: unknown, path: string, depth: number): void {
    if (name === '$regex' && (typeof operand !== 'string' || operand.length > MAX_PATTERN))
      throw wrong(`\`$regex\` to be a text of at most ${MAX_PATTERN} characters`, operand);
    this.#condition(operand, path, depth + 1);
  }

  #count(depth: number): void {
    if (this.#left-- > 0 && depth < 12) return;
    throw new InvalidOptionError(`Expected at most ${MAX_CONDITIONS} conditions. Ask for less at once.`);
  }
}

function isOperator(name: string): boolean {
  return name.startsWith('$') && !JOINING.has(name);
}

function isTyped(value: Record<string, unknown>): boolean {
  const names = Object.keys(value);

  return names.length === 1 && TYPES.has(names[0]!);
}

function notAllowed(name: string): Error {
  return new InvalidOptionError(
    `The operator \`${name}\` is not allowed in a search. Allowed are: ${[...JOINING, ...COMPARING].join(', ')}.`,
  );
}

function wrong(expected: string, found: unknown): Error {
  return new InvalidOptionError(`Expected ${expected} in the filter, got ${shown(found)}.`);
}
