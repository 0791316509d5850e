import { mongo } from 'mongoose';
import { InvalidOptionError } from '../errors';
import { sentenceOf } from '../values/describe';

/**
 * The values that are written as Extended JSON in what came as JSON.
 *
 * @throws {InvalidOptionError} for one that cannot be read, such as `{ "$oid": "x" }`.
 */
export function fromExtendedJson(given: object): Record<string, unknown> {
  try {
    return mongo.BSON.EJSON.deserialize(given, { relaxed: true }) as Record<string, unknown>;
  } catch (cause) {
    throw new InvalidOptionError(`Expected values as Extended JSON: ${sentenceOf(cause)}`, { cause });
  }
}
