import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { lineOf } from '../values/describe';
import type { Caller } from './access';

/** What a framework adds to a request. */
interface Prepared extends IncomingMessage {
  /** The path before a router took its part off. */
  originalUrl?: string;
  /** The body, where something before has read it. */
  body?: unknown;
}

/** The request as web standards have it. @throws {TypeError} for one whose address cannot be read. */
export function requestOf(message: Prepared, signal: AbortSignal): Request {
  const method = message.method ?? 'GET';
  const body = method === 'GET' || method === 'HEAD' ? undefined : bodyOf(message);
  // Of the address only path and query are used, and a client may send any name.
  const url = new URL(`http://dashboard${pathOf(message)}`);

  return new Request(url, {
    method,
    headers: headersOf(message),
    signal,
    ...(body !== undefined && { body: body as string, duplex: 'half' as const }),
  });
}

export function callerOf(message: IncomingMessage, headers: Headers): Caller {
  return { given: message, address: message.socket.remoteAddress ?? null, headers };
}

/** Sends an answer, as fast as it is taken, until it ends or the client has gone. */
export async function send(response: Response, to: ServerResponse, head: boolean): Promise<void> {
  // The client has gone, or something before has answered, such as a time limit.
  if (to.destroyed || to.headersSent) return void response.body?.cancel().catch(() => {});
  to.statusCode = response.status;
  for (const [name, value] of response.headers) to.setHeader(name, value);
  if (!response.body || head) return void to.end();
  to.flushHeaders();
  const reader = response.body.getReader();
  // A stream of events ends with its client.
  const leave = () => void reader.cancel().catch(() => {});
  to.once('close', leave);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read())
      if (!to.write(part.value) && !to.destroyed) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    to.end();
  } catch (error) {
    to.destroy(error instanceof Error ? error : new Error(lineOf(error)));
  } finally {
    to.off('close', leave);
  }
}

function pathOf({ originalUrl, url }: Prepared): string {
  const path = originalUrl ?? url ?? '/';

  // A proxy sends the whole address.
  return path.startsWith('/') ? path : path.replace(/^[a-z]+:\/\/[^/]*/i, '') || '/';
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    // Those of HTTP/2 that begin with a colon are no headers.
    if (!name.startsWith(':')) headers.append(name, rawHeaders[index + 1]!);
  }

  return headers;
}

function bodyOf(message: Prepared): unknown {
  const { body } = message;
  if (body === undefined || body === null) return message;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;

  // What was read as JSON before is written again.
  return JSON.stringify(body);
}
