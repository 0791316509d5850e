import { mongo } from 'mongoose';
import type { RawDocument } from '../any';

const { deserialize, onDemand } = mongo.BSON;
const DOCUMENT = 3;

/** Options to read values that JavaScript lacks: texts that are no UTF-8, regular expressions of other languages. */
const LENIENT = { validation: { utf8: false }, bsonRegExp: true } as const;

/** By document, the first error. Bookkeeping that does not fit counts as not there, and is none. */
const flaws = new WeakMap<object, { readonly error: unknown }>();

/** What could not be read of a document, or null. */
export function flawOf(document: object): { readonly error: unknown } | null {
  return flaws.get(document) ?? null;
}

/** Makes a document of its bytes, as far as it can be read: what the driver refuses is left out, and `flawOf()` tells why. */
export function decode(bytes: Uint8Array, options: object): RawDocument {
  for (const how of [options, { ...options, ...LENIENT }]) {
    try {
      return deserialize(bytes, how) as RawDocument;
    } catch {
      // Read as far as it can be, below.
    }
  }
  const document = {} as RawDocument;
  readInto(document, bytes, { ...options, ...LENIENT }, document);

  return document;
}

// Field by field. The name of a document is one thing: half of it would be the name of another.
function readInto(into: object, bytes: Uint8Array, options: object, root: object): void {
  for (const [type, at, length, start, size] of onDemand.parseToElements(bytes)) {
    const name = Buffer.from(bytes.subarray(at, at + length)).toString();
    const isOfRoot = (one: string) => into === root && name === one;
    let value: unknown;
    try {
      [value] = Object.values(deserialize(alone(bytes.subarray(at - 1, start + size)), options));
    } catch (error) {
      if (!isOfRoot('_task') && !flaws.has(root)) flaws.set(root, { error });
      if (type !== DOCUMENT || isOfRoot('_id')) continue;
      value = {};
      const owner = isOfRoot('_task') ? (value as object) : root;
      readInto(value as object, bytes.subarray(start, start + size), options, owner);
    }
    // A name may be one that every object has.
    Object.defineProperty(into, name, { value, configurable: true, enumerable: true, writable: true });
  }
}

/** A document of one field. */
function alone(field: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + field.length + 1);
  bytes.writeInt32LE(bytes.length);
  bytes.set(field, 4);

  return bytes;
}
