import { mongo } from 'mongoose';
import type { AnyModel } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { shown } from '../values/check';
import { safely } from '../values/describe';
import { isPlain } from '../values/writable';

const { EJSON } = mongo.BSON;
/** At most this many characters of an id are shown. */
const MAX_LABEL = 32;

/** An id as canonical Extended JSON, which keeps its type. */
export function idText(id: unknown): string {
  return safely(() => EJSON.stringify(id, { relaxed: false })) ?? JSON.stringify(String(id));
}

/**
 * The id in a text: Extended JSON, or what the schema casts to an id.
 *
 * @throws {InvalidOptionError} for what can be no id of the model.
 */
export function idOf(model: AnyModel, text: unknown): unknown {
  if (typeof text !== 'string' || text === '') throw noId(text);
  // An order's number is a text that looks like JSON.
  if (model.schema.path('_id')?.instance === 'String' && !/^"|^\{\s*"\$/.test(text)) return text;
  const read = safely(() => ({ id: EJSON.parse(text, { relaxed: false }) as unknown })) ?? {
    id: safely(() => model.schema.path('_id')?.cast(text) as unknown),
  };
  const { id } = read;
  if (id === undefined || id === null || Array.isArray(id) || isCondition(id)) throw noId(text);

  return id;
}

/** A short text for an id: the end of an ObjectId, the beginning of anything else. */
export function labelOf(id: unknown): string {
  if (id instanceof mongo.ObjectId) return id.toHexString().slice(-8);
  const text = typeof id === 'string' ? id : (safely(() => EJSON.stringify(id, { relaxed: true })) ?? String(id));

  return text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL - 1)}…` : text;
}

// In a list of ids the server would take a pattern for a search.
function isCondition(id: unknown): boolean {
  if (id instanceof RegExp || (id as { _bsontype?: unknown })._bsontype === 'BSONRegExp') return true;

  return isPlain(id) && Object.keys(id).some((name) => name.startsWith('$'));
}

function noId(text: unknown): Error {
  return new InvalidOptionError(
    `Expected an id as Extended JSON, got ${shown(text)}. Write for example \`{"$oid":"64f000000000000000000000"}\`.`,
  );
}
