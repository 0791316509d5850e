import { InvalidOptionError, TaskStateError, UnauthorizedError } from '../errors';
import { TooSlowError } from '../inspect/bounded';
import { publicText } from '../inspect/public-text';
import { NoSuchTaskError } from '../inspect/stored';
import { isOutOfReach } from '../server/transient';
import { lineOf } from '../values/describe';
import type { ApiError } from './api';

/** A request that is refused: its status, a word for programs, and a sentence for people. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Of every answer: nothing is guessed, told to other sites, framed by them, or loaded by them. */
const ALWAYS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'SAMEORIGIN',
} as const;

export function answer(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  status: number,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, { status, headers: { ...ALWAYS, ...headers } });
}

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return answer(JSON.stringify(value), status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    ...headers,
  });
}

/** The answer to what was thrown. */
export function refusalAnswer(error: unknown): Response {
  const { status, code, message, headers } = asRefusal(error);

  return json({ error: { code, message } } satisfies ApiError, status, headers);
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : lineOf(error);
  if (error instanceof InvalidOptionError) return new Refusal(400, 'bad-request', message);
  if (error instanceof NoSuchTaskError) return new Refusal(404, 'no-such-task', message);
  if (error instanceof TaskStateError) return new Refusal(409, 'task-state', message);
  if (error instanceof TooSlowError) return new Refusal(503, 'too-slow', message, { 'retry-after': '5' });
  if (error instanceof UnauthorizedError) return new Refusal(500, 'database-right', message);
  if (isOutOfReach(error)) return new Refusal(503, 'no-database', publicText(error), { 'retry-after': '5' });

  return new Refusal(500, 'error', publicText(error));
}
