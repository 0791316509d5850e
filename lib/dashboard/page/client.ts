/** What the page asks of its server. All addresses are relative, so the page works wherever it is mounted. */
import type { ApiError } from '../api';

/** An answer that is not what was asked for. `status` is 0 where there was none. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Parameter = string | undefined;

/** The path of a question, with what is not empty of its parameters. */
export function path(name: string, parameters: Record<string, Parameter> = {}): string {
  const isGiven = (one: [string, Parameter]): one is [string, string] => one[1] !== undefined && one[1] !== '';
  const given = Object.entries(parameters).filter(isGiven);
  const query = new URLSearchParams(given).toString();

  return `api/${name}${query && `?${query}`}`;
}

export function ask<T>(where: string, signal: AbortSignal): Promise<T> {
  return answerOf<T>(where, { signal, headers: { accept: 'application/json' } });
}

export function tell<T>(name: string, body: object): Promise<T> {
  return answerOf<T>(path(name), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
}

async function answerOf<T>(where: string, init: RequestInit): Promise<T> {
  const response = await fetch(where, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new Refusal(0, 'The server does not answer. This page tries again by itself.');
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new Refusal(response.status, messageOf(body) ?? byStatus(response.status));
  // A proxy that asks for a login answers with a page of its own.
  if (body === undefined) throw new Refusal(response.status, 'The answer is no JSON: is a proxy asking for a login?');

  return body as T;
}

function messageOf(body: unknown): string | undefined {
  return (body as Partial<ApiError> | undefined)?.error?.message;
}

function byStatus(status: number): string {
  if (status === 401) return 'You are not logged in, or no longer.';
  if (status === 403) return 'You are not allowed to see this.';

  return `The server answered ${status}.`;
}
