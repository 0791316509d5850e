import { inspect } from 'node:util';
import type { AnyModel } from '../definition/definition';
import { asRead, isPlain, isWritable } from '../values/writable';
import { isNumber } from './equality';

/** A reference of a task to another document. */
export interface Reference {
  /** The id as the referenced document has it; for a value that can be no id, a text that shows it. */
  readonly id: unknown;
  /** The id as the task has it: perhaps a text where the document has an ObjectId. */
  readonly given: unknown;
  /** Whether a document can have this id. */
  readonly isId: boolean;
}

const MAX_SHOWN = 100;
const NUMERIC = ['Number', 'BigInt', 'Double', 'Int32', 'Decimal128'];

/** Casts a reference as `populate()` does: for a model with ObjectIds, a text becomes an ObjectId. */
export function castReference(model: AnyModel | null, given: unknown): Reference {
  const id = model && isPossible(given) ? castId(model, given) : undefined;

  return id === undefined ? { id: shownBriefly(given), given, isId: false } : { id, given, isId: true };
}

/** Whether the server could store the value as an id. Any other value might be read as an operator in a filter. */
export function isPossible(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof RegExp) return false;
  if (['BSONRegExp', 'DBRef'].includes((value as { _bsontype?: string } | null)?._bsontype ?? '')) return false;

  return isWritable(value) && !(isPlain(value) && Object.keys(value).some((key) => key.startsWith('$')));
}

function castId({ schema }: AnyModel, given: unknown): unknown {
  const type = schema.path('_id') as unknown as IdType;
  // Not cast: the server compares numbers of all types by value, and a cast may lose digits.
  if (isNumber(given) && NUMERIC.includes(type.instance)) return given;
  try {
    const id = type.castForQuery(null, given) ?? undefined;
    return isNumber(id) && Number.isNaN(Number(id)) ? undefined : asRead(id);
  } catch {
    return undefined;
  }
}

interface IdType {
  readonly instance: string;
  castForQuery(operator: null, value: unknown): unknown;
}

function shownBriefly(value: unknown): unknown {
  if (isPossible(value) && (typeof value !== 'string' || value.length <= MAX_SHOWN) && !isPlain(value)) return value;
  const text = typeof value === 'string' ? value : inspect(value, { depth: 1, breakLength: Infinity });

  return text.slice(0, MAX_SHOWN);
}
