const MAX_MESSAGE_LENGTH = 2_000;
const MAX_STACK_LENGTH = 8_000;
const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 500;

/** The part of a thrown value that is stored. */
export interface Description {
  readonly message: string;
  readonly stack?: string;
}

/**
 * Describes a thrown value: its name, message and stack, and the names and messages of its causes, all of bounded length. Nothing more is
 * kept, since errors may carry requests, headers and passwords. Any value can be thrown, and reading it may throw.
 */
export function describe(thrown: unknown): Description {
  const message = messageOf(thrown).slice(0, MAX_MESSAGE_LENGTH);
  const { stack } = headOf(thrown);
  const parts = [...(stack === undefined ? [] : [stack.slice(0, MAX_STACK_LENGTH)]), ...causesOf(thrown)];

  return parts.length > 0 ? { message, stack: parts.join('\n') } : { message };
}

/** The name and the message of a thrown value in one line, for messages. */
export function lineOf(thrown: unknown): string {
  const name = textOf(thrown, 'name');

  return `${name === undefined ? '' : `${name}: `}${messageOf(thrown)}`.slice(0, MAX_MESSAGE_LENGTH);
}

/** The same with one full stop at its end, for messages that go on after it. */
export function sentenceOf(thrown: unknown): string {
  return lineOf(thrown).replace(/[.\s]*$/, '.');
}

/** A property of a thrown value, if it can be read and is a text. */
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

/** The result of `look`, or undefined if it throws, as reading a thrown value may. */
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
