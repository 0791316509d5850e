import { InvalidOptionError } from '../errors';
import { Access, type Caller } from './access';
import { ACTS } from './acts';
import { answer, json, Refusal, refusalAnswer } from './answer';
import { assetAnswer, pageAnswer } from './assets';
import type { Board } from './board';
import { requireJson, requireSameOrigin } from './origin';
import { eventsAnswer, READS } from './reads';
import { folderOf, routeOf } from './route';

/** A longer body is refused, in bytes. */
export const MAX_BODY = 1_048_576;

/** Answers a request; it never rejects. */
export async function handle(board: Board, request: Request, caller: Caller): Promise<Response> {
  try {
    const response = await routed(board, request, caller);
    return request.method === 'HEAD' ? withoutBody(response) : response;
  } catch (error) {
    return refusalAnswer(error);
  }
}

async function routed(board: Board, request: Request, caller: Caller): Promise<Response> {
  const { pathname, searchParams: query } = new URL(request.url);
  const access = new Access(board.options, caller);
  const route = routeOf(pathname);
  switch (route.kind) {
    case 'api':
      return apiAnswer(board, request, caller, access, route.name, query);
    case 'asset':
      requireRead(request);
      return assetAnswer(route.name, request.headers.get('accept-encoding'));
    case 'page':
      requireRead(request);
      await access.requireAny();
      return pageAnswer();
    case 'redirect':
      requireRead(request);
      return answer(null, 308, { location: route.to, 'cache-control': 'no-store' });
  }
}

async function apiAnswer(
  board: Board,
  request: Request,
  caller: Caller,
  access: Access,
  name: string,
  query: URLSearchParams,
): Promise<Response> {
  const read = own(READS, name);
  const act = own(ACTS, name);
  if (act) {
    const body = await bodyOf(board, request, access);
    return json(await act({ board, access, caller, body }));
  }
  if (name === 'events' || read) requireRead(request);
  if (name === 'events') return eventsAnswer({ board, access, query });
  if (read) return json(await read({ board, access, query }));

  // A browser that was sent to where the dashboard is mounted, which happens to be below `/api`.
  if (request.headers.get('accept')?.includes('text/html'))
    return answer(null, 308, { location: folderOf(name), 'cache-control': 'no-store' });
  throw new Refusal(404, 'no-such-name', `There is no \`api/${name}\`.`);
}

function own<T>(all: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

function requireRead({ method }: Request): void {
  if (method === 'GET' || method === 'HEAD') return;
  throw new Refusal(405, 'method', `Expected GET, got ${method}.`, { allow: 'GET, HEAD' });
}

/** The body of a request that may change something, if it may. */
async function bodyOf(board: Board, request: Request, access: Access): Promise<unknown> {
  if (request.method !== 'POST')
    throw new Refusal(405, 'method', `Expected POST, got ${request.method}.`, { allow: 'POST' });
  if (board.options.readOnly) throw new Refusal(405, 'read-only', 'This dashboard only reads.', { allow: '' });
  requireSameOrigin(request.headers, board.options.allowedOrigins);
  requireJson(request.headers);
  // Of who may see nothing no body is read.
  await access.requireAny();
  const text = await textOf(request);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new InvalidOptionError(`Expected the body to be JSON: ${(cause as Error).message}`, { cause });
  }
}

async function textOf({ body }: Request): Promise<string> {
  if (!body) return '';
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    size += part.byteLength;
    if (size > MAX_BODY) throw new Refusal(413, 'too-large', `Expected a body of at most ${MAX_BODY} bytes.`);
    parts.push(part);
  }

  return Buffer.concat(parts).toString('utf8');
}

function withoutBody(response: Response): Response {
  void response.body?.cancel();

  return new Response(null, { status: response.status, headers: response.headers });
}
