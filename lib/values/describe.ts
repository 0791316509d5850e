const MAX_MESSAGE_LENGTH = 2_000;
const MAX_STACK_LENGTH = 8_000;
const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 500;

/** What is kept of something that was thrown. */
export interface Description {
  readonly message: string;
  readonly stack?: string;
}

/**
 * The name, the message and the stack of what was thrown, as texts of a bounded length, and of its causes the names and messages. Never
 * more of it: requests, headers and passwords hang on errors. Anything can be thrown, and reading it may throw itself.
 */
export function describe(thrown: unknown): Description {
  const message = messageOf(thrown).slice(0, MAX_MESSAGE_LENGTH);
  const { stack } = headOf(thrown);
  const parts = [...(stack === undefined ? [] : [stack.slice(0, MAX_STACK_LENGTH)]), ...causesOf(thrown)];

  return parts.length > 0 ? { message, stack: parts.join('\n') } : { message };
}

/** The same in one line, for a message of ours. */
export function lineOf(thrown: unknown): string {
  const name = textOf(thrown, 'name');

  return `${name === undefined ? '' : `${name}: `}${messageOf(thrown)}`.slice(0, MAX_MESSAGE_LENGTH);
}

/** A property of what was thrown, where it can be read and is a text. */
export function textOf(thrown: unknown, property: 'name' | 'message' | 'stack'): string | undefined {
  const text = propertyOf(thrown, property);

  return typeof text === 'string' ? text : undefined;
}

function messageOf(thrown: unknown): string {
  if (!isObject(thrown)) return String(thrown);

  return textOf(thrown, 'message') ?? `What was thrown has no message that can be read: ${kindOf(thrown)}`;
}

function headOf(thrown: unknown): { stack?: string } {
  const stack = textOf(thrown, 'stack');
  if (stack !== undefined) return { stack };

  return isObject(thrown) && textOf(thrown, 'name') !== undefined ? { stack: lineOf(thrown) } : {};
}

function causesOf(thrown: unknown): string[] {
  const lines: string[] = [];
  let cause = propertyOf(thrown, 'cause');
  for (; isObject(cause) && lines.length < MAX_CAUSES; cause = propertyOf(cause, 'cause'))
    lines.push(`Caused by ${lineOf(cause).slice(0, MAX_CAUSE_LENGTH)}`);

  return lines;
}

/** What a look at something that was thrown gives, or undefined where the look itself throws. */
export function safely<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function propertyOf(thrown: unknown, property: string): unknown {
  return isObject(thrown) ? safely(() => (thrown as Record<string, unknown>)[property]) : undefined;
}

function kindOf(thrown: object): string {
  return safely(() => Object.prototype.toString.call(thrown)) ?? '[object]';
}

function isObject(value: unknown): value is object {
  return value !== null && (typeof value === 'object' || typeof value === 'function');
}
