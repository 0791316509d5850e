import { inspect } from 'node:util';
import { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { isWritable } from '../values/writable';
import { isNumber, isPlain } from './equality';

/** A reference of a task. */
export interface Reference {
  /** As the document has it. Of what can be nobody's id, a text that shows it. */
  readonly id: unknown;
  /** As the task has it: a text, perhaps, where the document has an ObjectId. */
  readonly given: unknown;
  /** Whether a document can have this id. */
  readonly isId: boolean;
}

const MAX_SHOWN = 100;
const NUMERIC = ['Number', 'BigInt', 'Double', 'Int32', 'Decimal128'];

/** Reads a reference as `populate()` does: where the model has ObjectIds, a text is the one it stands for. */
export function castReference(model: AnyModel | null, given: unknown): Reference {
  const id = model && isPossible(given) ? castId(model, given) : undefined;

  return id === undefined ? { id: shownBriefly(given), given, isId: false } : { id, given, isId: true };
}

/** Whether the server could keep the value as an id. In a filter, what it could not might ask for something else. */
export function isPossible(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof RegExp) return false;
  if (['BSONRegExp', 'DBRef'].includes((value as { _bsontype?: string } | null)?._bsontype ?? '')) return false;

  return !isPlain(value) || (!Object.keys(value).some((key) => key.startsWith('$')) && isWritable(value));
}

function castId({ schema }: AnyModel, given: unknown): unknown {
  const type = schema.path('_id') as unknown as IdType;
  // Numbers are equal to the server whatever their type, and a cast may lose digits.
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

// Mongoose casts some to types of its own, which the driver never reads.
function asRead(id: unknown): unknown {
  if (typeof id !== 'object' || (id as { _bsontype?: string })._bsontype === 'ObjectId') return id;

  return mongo.BSON.deserialize(mongo.BSON.serialize({ id }))['id'];
}

function shownBriefly(value: unknown): unknown {
  if (isPossible(value) && (typeof value !== 'string' || value.length <= MAX_SHOWN) && !isPlain(value)) return value;
  const text = typeof value === 'string' ? value : inspect(value, { depth: 1, breakLength: Infinity });

  return text.slice(0, MAX_SHOWN);
}
