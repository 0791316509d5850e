import { type AnyModel, definitionOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { MAX_DELAY_MS, requireInteger, wrongValue } from '../values/check';
import { ON_DUPLICATE, type OnDuplicate } from './duplicate';
import type { PushOptions } from './options';
import type { Debounce } from './replace';

/** What `push()` does when a live task has its key. */
export interface OnDuplicateOptions {
  /**
   * What happens when a live task has the key. `keep`: nothing, it is returned. `replace` and `after`: a task that waits gets the new fields and keeps its
   * place; behind one that runs a new task waits for its end. `debounce`: as `replace`, and the waiting task's delay starts again. `supersede`:
   * the live task is cancelled, and the new one starts when it has ended. Needs a `key`. Default: `'keep'`.
   */
  onDuplicate?: OnDuplicate | undefined;

  /**
   * How long after the first push a task that is debounced again and again becomes due, in milliseconds, at least `delayMs`. Only with
   * `onDuplicate: 'debounce'`. Default: no limit.
   */
  maxDelayMs?: number | undefined;

  /**
   * How long every push of the key is kept after this one, in milliseconds, whether or not its task has ended: not longer than ended tasks
   * are kept. Needs a `key`. Default: 0.
   */
  throttleMs?: number | undefined;
}

export const DUPLICATE_OPTIONS = ['onDuplicate', 'maxDelayMs', 'throttleMs'] as const;

/** @throws {InvalidOptionError} for options about duplicates that are wrong, or do not fit the others. */
export function checkOnDuplicate(options: PushOptions): void {
  const { key, onDuplicate, maxDelayMs, throttleMs, delayMs } = options;
  const given = DUPLICATE_OPTIONS.find((name) => options[name] !== undefined);
  if (given !== undefined && key === undefined)
    throw new InvalidOptionError(
      `Expected a \`key\` for \`${given}\`, got none: only tasks of one key are duplicates. Write for example \`{ key: 'invoice-42', ${given}: … }\`.`,
    );
  if (onDuplicate !== undefined && !ON_DUPLICATE.includes(onDuplicate))
    throw wrongValue('onDuplicate', `one of ${ON_DUPLICATE.join(', ')}`, onDuplicate, "`onDuplicate: 'replace'`");
  if (throttleMs !== undefined)
    requireInteger('throttleMs', throttleMs, 1, MAX_DELAY_MS, 'milliseconds', '`throttleMs: 60_000`');
  if (onDuplicate === 'debounce') checkDebounce(options);
  if (maxDelayMs === undefined) return;

  if (onDuplicate !== 'debounce')
    throw new InvalidOptionError(
      "Expected `onDuplicate: 'debounce'` for `maxDelayMs`: no other push puts a task off. Leave `maxDelayMs` out.",
    );
  requireInteger('maxDelayMs', maxDelayMs, delayMs ?? 0, MAX_DELAY_MS, 'milliseconds', '`maxDelayMs: 600_000`');
}

function checkDebounce({ delayMs, every, cron }: PushOptions): void {
  if (delayMs === undefined || every !== undefined || cron !== undefined)
    throw new InvalidOptionError(
      "Expected `delayMs` with `onDuplicate: 'debounce'`, and neither `runAt`, `every` nor `cron`: each push starts that delay again. Write for example `{ key, onDuplicate: 'debounce', delayMs: 5_000 }`.",
    );
}

/** @throws {InvalidOptionError} for a window that outlasts the task by which it is known. */
export function checkWindow(model: AnyModel, { throttleMs }: PushOptions): void {
  if (throttleMs === undefined) return;
  const { expireAfterSeconds, retention } = definitionOf(model);
  const kept = retention ? Object.values(retention) : [expireAfterSeconds];
  const shortest = Math.min(...kept.map((seconds) => (seconds === false ? Infinity : seconds)));
  if (throttleMs <= shortest * 1_000) return;

  throw new InvalidOptionError(
    `Expected \`throttleMs\` not to be longer than the ${shortest} seconds after which tasks of ${model.modelName} expire, got ${throttleMs}: the task is what holds the window. Raise \`expireAfterSeconds\`.`,
  );
}

/** How the push puts a task off; null if it does not. */
export function debounceOf(
  { onDuplicate, delayMs = 0, maxDelayMs = MAX_DELAY_MS }: PushOptions,
  now: Date,
): Debounce | null {
  return onDuplicate === 'debounce' ? { now, delayMs, maxDelayMs } : null;
}
