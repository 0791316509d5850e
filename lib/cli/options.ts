import { State } from '../fields';
import { UsageError } from './terminal';

/** A state by its name, in whichever case; none for all that have not ended. */
export function stateNamed(text = ''): string {
  if (text === '') return '';
  const upper = text.toUpperCase();
  if (Object.hasOwn(State, upper)) return upper;
  const lower = text.toLowerCase();
  if (['ready', 'delayed', 'blocked'].includes(lower)) return lower;
  throw new UsageError(
    `There is no state \`${text}\`. Write one of ready, delayed, blocked, ${Object.values(State).join(', ').toLowerCase()}.`,
  );
}

/** A whole number in a text. */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`Expected \`--${name}\` to be a whole number from ${min} to ${max}, got \`${text}\`.`);
}
