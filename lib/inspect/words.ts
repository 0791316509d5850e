import { type AnyModel, type AnySchema, definitionOf, type Filter } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { safely } from '../values/describe';
import { formsOf } from '../indexes/key-index';
import { idOf } from './ids';
import { checkPath } from './operators';
import type { View } from './view';

const MAX_WORDS = 30;
const COMPARISONS = [
  ['>=', '$gte'],
  ['<=', '$lte'],
  ['>', '$gt'],
  ['<', '$lt'],
  ['!', '$ne'],
] as const;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Short names for what the queue knows of a task. */
const NAMES: Readonly<Record<string, string>> = {
  id: '_id',
  key: '_task.key',
  error: '_task.errors.message',
  attempts: '_task.attempts',
  settled: '_task.settledAt',
  due: '_task.dueAt',
};

/**
 * The filter in query words, of which all must hold: `to:anna@example.org amount:>5 createdAt:>-2h name:an* tag:a,b note:"two words"`. A word
 * without a path is the id or the key of a task. `path:*` asks for any value, `path:!value` for another.
 *
 * @throws {InvalidOptionError} for a path that the model does not have or that is hidden.
 */
export function parseWords(view: View, model: AnyModel, text: string, now: Date): Filter {
  const words = [...text.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word);
  if (words.length > MAX_WORDS)
    throw new InvalidOptionError(`Expected at most ${MAX_WORDS} words, got ${words.length}.`);
  const all = words.map((word) => conditionIn(view, model, word, now));

  return all.length === 0 ? {} : { $and: all };
}

function conditionIn(view: View, model: AnyModel, word: string, now: Date): Filter {
  const [, name, value = ''] = /^([\w.$-]+):(.*)$/s.exec(word) ?? [];
  if (name === undefined) return named(view, model, unquoted(word));
  const path = NAMES[name] ?? name;
  checkPath(view, model, path);
  if (path === '_task.key') return { [path]: { $in: formsOf(unquoted(value)) } };

  return { [path]: valueIn(value, path, model, now) };
}

function named(view: View, model: AnyModel, text: string): Filter {
  const id = safely(() => ({ _id: idOf(model, text) }));
  if (!view.isHidden(model, '_task.key')) {
    const byKey = { '_task.key': { $in: formsOf(text) } };
    return id ? { $or: [id, byKey] } : byKey;
  }
  if (!id) throw new InvalidOptionError(`Expected \`path:value\`, or the id of a task, got \`${text}\`.`);

  return id;
}

function valueIn(text: string, path: string, model: AnyModel, now: Date): unknown {
  if (text === '*') return { $exists: true, $ne: null };
  const [sign, operator] = COMPARISONS.find(([one]) => text.startsWith(one)) ?? ['', null];
  const operand = text.slice(sign.length);
  const isQuoted = operand.startsWith('"');
  const plain = unquoted(operand);
  if (operator) return { [operator]: typed(plain, path, model, now) };
  // Anchored and in the given case, so that an index serves it.
  if (!isQuoted && plain.length > 1 && plain.endsWith('*')) return { $regex: `^${escaped(plain.slice(0, -1))}` };
  if (!isQuoted && plain.includes(',')) return { $in: plain.split(',').map((one) => typed(one, path, model, now)) };
  if (path === '_task.errors.message') return { $regex: escaped(plain), $options: 'i' };

  return { $eq: typed(plain, path, model, now) };
}

/** The schema casts what is of the model; what is of the queue is cast here. */
function typed(text: string, path: string, model: AnyModel, now: Date): unknown {
  const instance = (model.schema as AnySchema).path(path)?.instance;
  const isDate = instance === 'Date' || /^_task\.\w+At$/.test(path);
  if (isDate) return dateIn(text, now);
  if (instance !== undefined) return text === 'null' ? null : text;
  // What the schema does not know, as in a model that is not strict, is compared by how it looks.
  const isFree = path.startsWith('_task.') || definitionOf(model).model.schema.get('strict') === false;

  return isFree && text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text;
}

function dateIn(text: string, now: Date): Date {
  const [, ago, unit = ''] = /^-(\d+)([smhd])$/.exec(text) ?? [];
  const date = ago === undefined ? new Date(text) : new Date(now.getTime() - Number(ago) * UNIT_MS[unit]!);
  if (Number.isNaN(date.getTime()))
    throw new InvalidOptionError(`Expected a date, got \`${text}\`. Write for example \`>2026-01-31\`, or \`>-2h\`.`);

  return date;
}

function unquoted(text: string): string {
  return text.replaceAll('"', '');
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}
