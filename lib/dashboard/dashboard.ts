import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from './access';
import { Refusal, refusalAnswer } from './answer';
import { Board } from './board';
import { handle } from './handler';
import { callerOf, requestOf, send } from './node';
import { type DashboardOptions, resolveDashboard } from './options';

export type { DashboardOptions } from './options';

/** A page that shows queues, in the form in which servers take it. All of it may be passed on without its object. */
export interface Dashboard {
  /** Answers a request of web standards: for Hono, Next, Bun and others. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /**
   * Answers a request of Node: for `http`, Express, Fastify, Koa, Nest and others. Resolves when it is answered, never rejects, and does not call `next`, which
   * is there to fit where one is given.
   */
  node(request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>;
  /** Ends all streams of events and stops listening to the database. Call it when the server stops, which would wait for them. */
  close(): void;
}

/**
 * Makes a page that shows the queues of some models: what is wrong, tasks by state and search, one task with what it waits for, schedules,
 * workers, history; and lets those who may retry, cancel, edit and so on. It serves a page and its JSON under whatever path it is mounted,
 * with and without a proxy before it. Nothing of it is loaded unless it is imported.
 *
 * @throws {InvalidOptionError} for a wrong option.
 */
export function dashboard(options: DashboardOptions): Dashboard {
  const board = new Board(resolveDashboard(options));

  return {
    fetch: (request) => handle(board, request, { given: request, address: null, headers: request.headers }),
    async node(message, response) {
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      await send(await answerTo(board, message, gone.signal), response, message.method === 'HEAD');
    },
    close: () => board.hub.close(),
  };
}

async function answerTo(board: Board, message: IncomingMessage, signal: AbortSignal): Promise<Response> {
  let request: Request;
  let caller: Caller;
  try {
    request = requestOf(message, signal);
    caller = callerOf(message, request.headers);
  } catch (cause) {
    const message = 'The address or a header of this request cannot be read.';
    return refusalAnswer(Object.assign(new Refusal(400, 'bad-request', message), { cause }));
  }

  return handle(board, request, caller);
}
