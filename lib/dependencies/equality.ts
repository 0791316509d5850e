import { mongo } from 'mongoose';
import { isPlain } from '../values/writable';

/** An exact number: numerator and denominator, or a text such as `NaN` or `Infinity`. */
type Exact = readonly [numerator: bigint, denominator: bigint] | string;

/**
 * Whether two values are equal to the server: numbers of any type by their exact value, documents with their fields in the same order,
 * and all other values by their bytes.
 */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (isNumber(one) && isNumber(other)) return isSameNumber(one, other);
  if (Array.isArray(one) && Array.isArray(other)) return isSameList(one, other);
  if (isPlain(one) && isPlain(other)) return isSameList(Object.entries(one).flat(), Object.entries(other).flat());
  if (typeof one !== 'object' || typeof other !== 'object') return false;

  return bytesOf(one).equals(bytesOf(other));
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => isSame(value, other[index]));
}

export function isNumber(value: unknown): boolean {
  if (typeof value === 'number' || typeof value === 'bigint') return true;

  return ['Long', 'Int32', 'Double', 'Decimal128'].includes((value as { _bsontype?: string } | null)?._bsontype ?? '');
}

function isSameNumber(one: unknown, other: unknown): boolean {
  const [a, b] = [exactly(one), exactly(other)];
  if (typeof a === 'string' || typeof b === 'string') return a === b;

  return a[0] * b[1] === b[0] * a[1];
}

function exactly(value: unknown): Exact {
  if (typeof value === 'bigint') return [value, 1n];
  const { _bsontype: type } = value as { _bsontype?: string };
  if (type === 'Long' || type === 'Decimal128') return exactDecimal(String(value));

  return exactDouble(Number(value));
}

function exactDouble(value: number): Exact {
  if (!Number.isFinite(value)) return String(value);
  let denominator = 1n;
  for (; !Number.isInteger(value); value *= 2) denominator *= 2n;

  return [BigInt(value), denominator];
}

function exactDecimal(text: string): Exact {
  const [, whole, fraction = '', exponent = '0'] = /^(-?\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return text;
  const digits = BigInt(whole + fraction);
  const power = Number(exponent) - fraction.length;

  return power >= 0 ? [digits * 10n ** BigInt(power), 1n] : [digits, 10n ** BigInt(-power)];
}

function bytesOf(value: unknown): Buffer {
  return Buffer.from(mongo.BSON.serialize({ value }));
}
